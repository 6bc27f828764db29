# The hierarchical model of the example survey (EXAMPLE DATA) by two other programs: in the
# proportional-odds limit without zones by brms, whole by the Stan program beside this script.
# Markov chains: the seed is fixed, but the bytes depend on compiler and machine, and the seconds on
# the day, so all.R leaves this script out: `Rscript tests/r/hierarchical.R`, half an hour of
# processor time. COOPGAP_R_DRAWS sets the draws a chain.
source("tests/r/common.R")
source("tests/r/hierarchical_brms.R")

DRAWS <- as.integer(Sys.getenv("COOPGAP_R_DRAWS", "4000"))
WARMUP <- 1000
ADAPT_DELTA <- 0.99
SEED <- 20240117

people <- read_people()
members <- people[people$member == 1, ]

quantity <- function(draws) {
  list(mean = mean(draws), sd = sd(as.vector(draws)),
       mcse_mean = posterior::mcse_mean(draws), mcse_sd = posterior::mcse_sd(draws),
       ess_bulk = posterior::ess_bulk(draws), ess_tail = posterior::ess_tail(draws),
       r_hat = posterior::rhat(draws))
}

# A standard normal as weighted points: a fine sum, right far beyond Monte Carlo error.
NODES <- seq(-6, 6, by = 0.25)
NODE_WEIGHTS <- dnorm(NODES) / sum(dnorm(NODES))

# P(Y >= j) of members' regions and covariates, as `side` 1 (comparison) or 2 (members), in zones
# drawn anew: iterations x chains x cuts.
share_above <- function(draws, side, moved, spread) {
  m <- side - 1.5
  cells <- aggregate(list(n = rep(1, nrow(members))), members[names(FACTORS)], sum)
  shape <- c(dim(draws$beta), length(OUTCOME) - 1)
  total <- array(0, shape)
  for (i in seq_len(nrow(cells))) {
    at <- lapply(cells[i, names(FACTORS)], as.integer)
    eta <- draws$region[, , at$region] + draws$age_band[, , at$age_band] +
      draws$sex[, , at$sex] + m * (draws$beta + draws$gap[, , at$region])
    for (j in seq_len(shape[3])) {
      above <- if (is.null(spread)) plogis(eta - moved[, , j]) else {
        Reduce(`+`, Map(function(node, weight) {
          weight * plogis(eta + spread * node - moved[, , j])
        }, NODES, NODE_WEIGHTS))
      }
      total[, , j] <- total[, , j] + cells$n[i] * above
    }
  }
  total / sum(cells$n)
}

# Named as coopgap.bayes.draws.reported_parameters names them; risk differences and the SDs of
# regions and covariates besides.
quantities <- function(draws, moved = list(draws$thresholds, draws$thresholds), spread = NULL) {
  found <- list("member" = weighted_gap(draws, people), "member:superpopulation" = draws$beta)
  for (name in names(FACTORS)) {
    for (k in seq_along(FACTORS[[name]])) {
      found[[paste0(name, "=", FACTORS[[name]][k])]] <- draws[[name]][, , k]
    }
    found[[paste0("sd_", name)]] <- draws[[paste0("sd_", name)]]
  }
  for (k in seq_along(FACTORS$region)) {
    found[[paste0("member:region=", FACTORS$region[k])]] <- draws$beta + draws$gap[, , k]
  }
  above <- lapply(1:2, function(side) share_above(draws, side, moved[[side]], spread))
  for (j in seq_len(length(OUTCOME) - 1)) {
    found[[paste0(OUTCOME[j], "|", OUTCOME[j + 1])]] <- draws$thresholds[, , j]
    found[[paste0("risk_difference >=", OUTCOME[j + 1])]] <-
      above[[2]][, , j] - above[[1]][, , j]
  }
  c(found, list("sd_superpopulation" = draws$sd_gap))
}

record <- function(found, stanfit, wall) {
  sampler <- rstan::get_sampler_params(stanfit, inc_warmup = FALSE)
  list(quantities = lapply(found, quantity), chains = length(sampler), draws = DRAWS,
       warmup = WARMUP, adapt_delta = ADAPT_DELTA, seed = SEED,
       divergences = sum(sapply(sampler, function(s) sum(s[, "divergent__"]))),
       deepest = sum(sapply(sampler, function(s) sum(s[, "treedepth__"] >= 10))),
       core_seconds = core_seconds(stanfit), wall_seconds = wall, date = format(Sys.Date()))
}

timed <- function(call) {
  wall <- system.time(value <- call())[["elapsed"]]
  list(value = value, wall = wall)
}

# On distinct rows with their number of people: the same posterior in a fifth of the time.
by_brms <- function() {
  compiled <- brms_compiled(distinct(people), counted = TRUE)
  run <- timed(function() brms_sampled(compiled, WARMUP, DRAWS, ADAPT_DELTA, SEED))
  record(quantities(brms_draws(run$value)), run$value$fit, run$wall)
}

by_stan <- function() {
  ordered <- people[order(-people$member), ]
  zone <- factor(ordered$zone)
  data <- list(
    n_member = sum(ordered$member), n_comparison = sum(1 - ordered$member),
    n_levels = length(OUTCOME), n_region = length(FACTORS$region),
    n_age = length(FACTORS$age_band), n_sex = length(FACTORS$sex), n_zone = nlevels(zone),
    y = as.integer(ordered$class), region = as.integer(ordered$region),
    age = as.integer(ordered$age_band), sex = as.integer(ordered$sex), zone = as.integer(zone),
    region_basis = zero_sum_basis(length(FACTORS$region)),
    age_basis = zero_sum_basis(length(FACTORS$age_band)),
    sex_basis = zero_sum_basis(length(FACTORS$sex))
  )
  model <- rstan::stan_model("tests/r/hierarchical.stan")
  run <- timed(function() {
    rstan::sampling(model, data, chains = 4, cores = 2, warmup = WARMUP, iter = WARMUP + DRAWS,
                    seed = SEED, control = list(adapt_delta = ADAPT_DELTA), refresh = 0,
                    pars = c("raw_zone", "raw_zone_gap"), include = FALSE)
  })
  found <- posterior::as_draws_array(run$value)
  names <- dimnames(found)[[3]]
  matching <- function(pattern) {
    values <- found[, , grep(pattern, names)]
    array(as.vector(values), dim(values))
  }
  some <- function(name) matching(paste0("^", name, "\\["))
  one <- function(name) matching(paste0("^", name, "$"))[, , 1]
  draws <- list(
    beta = one("beta"), thresholds = some("thresholds"), region = some("region_level"),
    gap = some("gap"), age_band = some("age_level"), sex = some("sex_level"),
    sd_region = one("sd_region"), sd_gap = one("sd_gap"), sd_age_band = one("sd_age_band"),
    sd_sex = one("sd_sex")
  )
  moved <- lapply(1:2, function(side) matching(paste0("^moved\\[", side, ",")))
  # As a member a zone adds level + gap / 2, as a comparison person level - gap / 2.
  spread <- sqrt(one("sd_zone")^2 + one("sd_zone_gap")^2 / 4)
  result <- quantities(draws, moved, spread)
  for (j in seq_len(length(OUTCOME) - 1)) {
    result[[paste0("member:>=", OUTCOME[j + 1])]] <-
      result$member + moved[[1]][, , j] - moved[[2]][, , j]
  }
  result <- c(result, list("sd_zone" = one("sd_zone"), "sd_zone_gap" = one("sd_zone_gap"),
                           "sd_threshold_shift" = sqrt(apply(some("shift")^2, 1:2, mean))))
  record(result, run$value, run$wall)
}

version_of <- function(package) as.character(packageVersion(package))
both <- parallel::mclapply(list(by_brms, by_stan), function(by) by(), mc.cores = 2)
for (one in both) if (inherits(one, "try-error")) stop(one)
result <- list(
  r = as.character(getRversion()), brms = version_of("brms"),
  rstan = version_of("rstan"), posterior = version_of("posterior"),
  proportional = both[[1]], full = both[[2]]
)
write_fixture(result, "hierarchical")
