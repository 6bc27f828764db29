# The hierarchical model with departments of an invented survey by the Stan program beside this
# script: 11 departments in four regions and a twelfth in which nobody was asked. Markov chains: the
# bytes depend on compiler and machine, and rstan compiles for a minute, so all.R leaves this script
# out: `Rscript tests/r/hierarchical_departments.R`.
source("tests/r/common.R")
rstan::rstan_options(boost_lib = "/usr/include", boost_lib2 = "/usr/include")

SEED <- 20240119
DRAWS <- as.integer(Sys.getenv("COOPGAP_R_DRAWS", "4000"))
REGIONS <- c("A", "B", "C", "D")
DEPARTMENTS <- paste0(rep(REGIONS, each = 3), 1:3)
REGION_OF <- rep(1:4, each = 3)
EMPTY <- match("B3", DEPARTMENTS)
POVERTY <- c(4, 9, 2, 7, 3, 8, 1, 6, 5, 9, 2, 6)
LEVELS <- c("low", "mid", "high")

# Unlike numbers of people by department, a third of them members.
set.seed(SEED)
sizes <- ifelse(seq_along(DEPARTMENTS) == EMPTY, 0, 20 + 10 * (seq_along(DEPARTMENTS) %% 4))
people <- data.frame(department = rep(DEPARTMENTS, sizes))
place <- match(people$department, DEPARTMENTS)
people$region <- REGIONS[REGION_OF[place]]
people$member <- rbinom(nrow(people), 1, 0.4)
people$sex <- sample(c("male", "female"), nrow(people), replace = TRUE)
latent <- rnorm(4, 0, 0.4)[REGION_OF[place]] + rnorm(12, 0, 0.4)[place] +
  (people$member - 0.5) * (0.6 + rnorm(12, 0, 0.5)[place] - 0.08 * POVERTY[place])
people$answer <- LEVELS[1 + findInterval(latent + rlogis(nrow(people)), c(-0.6, 1))]
write_data(people, "departments")

helmert <- contr.helmert(length(REGIONS))
spread <- sqrt(mean((POVERTY - mean(POVERTY))^2))
data <- list(
  n = nrow(people), n_levels = 3, n_region = 4, n_department = 12,
  y = match(people$answer, LEVELS), m = people$member - 0.5,
  female = as.numeric(people$sex == "female"), department = place, region_of = REGION_OF,
  z = (POVERTY - mean(POVERTY)) / spread,
  region_basis = unname(sweep(helmert, 2, sqrt(colSums(helmert^2)), "/"))
)
model <- rstan::stan_model("tests/r/hierarchical_departments.stan")
fit <- rstan::sampling(model, data, chains = 4, cores = 1, warmup = 1000, iter = 1000 + DRAWS,
                       seed = SEED, control = list(adapt_delta = 0.99), refresh = 0)

draws <- posterior::as_draws_array(fit)
one <- function(name) {
  values <- draws[, , name]
  matrix(as.vector(values), dim(values)[1])
}
quantity <- function(x) {
  list(mean = mean(x), sd = sd(as.vector(x)), mcse_mean = posterior::mcse_mean(x),
       mcse_sd = posterior::mcse_sd(x), r_hat = posterior::rhat(x),
       ess_bulk = posterior::ess_bulk(x), ess_tail = posterior::ess_tail(x))
}

# P(high) of some members as members less that of the same people as others, all in department d.
difference <- function(who, d) {
  share <- function(side) {
    total <- 0
    for (female in 0:1) {
      eta <- one(sprintf("level[%d]", d)) + one("female_less_male") * (female - 0.5) +
        one(sprintf("department_gap[%d]", d)) * (side - 1.5)
      above <- plogis(eta - one(sprintf("cuts[%d,2]", side)))
      total <- total + sum((who$sex == "female") == female) * above
    }
    total / nrow(who)
  }
  share(2) - share(1)
}
members <- people[people$member == 1, ]
gaps <- lapply(seq_along(DEPARTMENTS), function(d) {
  inside <- members[members$department == DEPARTMENTS[d], ]
  if (d == EMPTY) inside <- members[members$region == REGIONS[REGION_OF[d]], ]
  difference(inside, d)
})
weight <- as.vector(table(factor(members$department, DEPARTMENTS)))
over <- function(which) Reduce(`+`, Map(`*`, gaps[which], weight[which])) / sum(weight[which])

found <- list(area = one("area") / spread, area_gap = one("area_gap") / spread,
              sd_department = one("sd_department"), sd_department_gap = one("sd_department_gap"),
              "risk_difference all" = over(seq_along(DEPARTMENTS)))
for (d in seq_along(DEPARTMENTS)) {
  found[[paste("latent", DEPARTMENTS[d])]] <- one(sprintf("department_gap[%d]", d))
  found[[paste("risk_difference", DEPARTMENTS[d])]] <- gaps[[d]]
}
for (r in seq_along(REGIONS)) {
  found[[paste("risk_difference", REGIONS[r])]] <- over(which(REGION_OF == r & weight > 0))
}
result <- list(
  rstan = as.character(packageVersion("rstan")), draws = DRAWS,
  divergences = rstan::get_num_divergent(fit), deepest = rstan::get_num_max_treedepth(fit),
  departments = DEPARTMENTS, region_of = REGION_OF, poverty = POVERTY,
  quantities = lapply(found, quantity)
)
write_fixture(result, "hierarchical_departments")
