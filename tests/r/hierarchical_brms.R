# The hierarchical model without zones and without shifted thresholds, in brms, with the priors of
# the package. Sourced by hierarchical.R, which keeps its posterior, and by the benchmark.
suppressPackageStartupMessages(library(brms))
options(mc.cores = 2)
# rstan's own boost is absent from Debian; its headers are those of the system.
rstan::rstan_options(boost_lib = "/usr/include", boost_lib2 = "/usr/include")

OUTCOME <- c("E", "D", "C", "B", "A")
FACTORS <- list(
  region = c("Lima", "Center", "East", "North", "South"),
  age_band = c("<25", "25-34", "35-44", "45-54", "55-64", "65+"),
  sex = c("male", "female")
)

read_people <- function() {
  people <- read.csv(file.path(data_dir, "example.csv"), stringsAsFactors = FALSE)
  people$class <- ordered(people$ses_class, OUTCOME)
  people$age_band <- cut(people$age, c(-Inf, 25, 35, 45, 55, 65, Inf), right = FALSE,
                         labels = FACTORS$age_band)
  for (name in names(FACTORS)) people[[name]] <- factor(people[[name]], FACTORS[[name]])
  people$m <- people$member - 0.5
  people
}

# n levels that sum to zero from n - 1 free values: orthonormal columns, each orthogonal to a
# constant. Any such basis gives independent normal values the same distribution of levels.
zero_sum_basis <- function(n) {
  helmert <- contr.helmert(n)
  unname(sweep(helmert, 2, sqrt(colSums(helmert^2)), "/"))
}

# Levels that sum to zero are a multi-membership term: everybody is in the n - 1 groups of a factor,
# with the row of the basis that belongs to their level as weights. Two levels have one free value:
# a slope of one group that everybody is in.
with_bases <- function(people) {
  people$everybody <- "all"
  for (name in names(FACTORS)) {
    basis <- zero_sum_basis(length(FACTORS[[name]]))
    rows <- basis[as.integer(people[[name]]), , drop = FALSE]
    for (k in seq_len(ncol(basis))) {
      people[[paste0(name, "_weight", k)]] <- rows[, k]
      people[[paste0(name, "_group", k)]] <- paste0("v", k)
    }
  }
  people
}

members_of <- function(name) {
  k <- seq_len(length(FACTORS[[name]]) - 1)
  sprintf("mm(%s, weights = cbind(%s), scale = FALSE)",
          paste0(name, "_group", k, collapse = ", "), paste0(name, "_weight", k, collapse = ", "))
}

# No centring: the thresholds that the prior is on are those at eta = 0.
brms_formula <- function(counted = FALSE) {
  answer <- if (counted) "class | weights(n)" else "class"
  bf(sprintf("%s ~ 1 + m + (1 + m || %s) + (1 | %s) + (0 + sex_weight1 | everybody)", answer,
             members_of("region"), members_of("age_band")), center = FALSE)
}

# Half-normal(0.5) on every SD: brms cuts the normal at zero. A uniform Dirichlet on the shares of
# the levels at eta = 0 is a logistic density on each of the ordered thresholds.
brms_prior <- c(
  set_prior("normal(0, 1)", class = "b"),
  set_prior("logistic(0, 1)", class = "Intercept"),
  set_prior("normal(0, 0.5)", class = "sd")
)

distinct <- function(people) {
  aggregate(list(n = rep(1, nrow(people))), people[c("class", "member", "m", names(FACTORS))], sum)
}

# Rows of people, or with `counted` distinct rows with the number `n` of people in each.
brms_compiled <- function(data, counted = FALSE) {
  brm(brms_formula(counted), data = with_bases(data), family = cumulative("logit"), prior = brms_prior,
      chains = 0, silent = 2, refresh = 0)
}

brms_sampled <- function(compiled, warmup, draws, adapt_delta, seed, cores = 2) {
  update(compiled, recompile = FALSE, chains = 4, cores = cores, warmup = warmup,
         iter = warmup + draws, seed = seed, control = list(adapt_delta = adapt_delta),
         silent = 2, refresh = 0)
}

# Sampling seconds of all chains on one core, warmup included.
core_seconds <- function(stanfit) sum(rstan::get_elapsed_time(stanfit))

# Levels of a factor, an array of iterations x chains x n, from the values of its groups.
levels_of <- function(values, name) {
  basis <- zero_sum_basis(length(FACTORS[[name]]))
  shape <- dim(values)
  array(matrix(values, ncol = shape[3]) %*% t(basis), c(shape[1:2], nrow(basis)))
}

# The draws of a fit by the names of coopgap.bayes.layout: iterations x chains (x levels).
brms_draws <- function(fit) {
  found <- posterior::as_draws_array(fit)
  names <- dimnames(found)[[3]]
  some <- function(pattern) {
    values <- found[, , grep(pattern, names)]
    array(as.vector(values), dim(values))
  }
  one <- function(pattern) some(pattern)[, , 1]
  list(
    beta = one("^b_m$"), thresholds = some("^b_Intercept\\["),
    region = levels_of(some("^r_mmregion.*,Intercept\\]$"), "region"),
    gap = levels_of(some("^r_mmregion.*,m\\]$"), "region"),
    age_band = levels_of(some("^r_mmage_band.*,Intercept\\]$"), "age_band"),
    sex = levels_of(some("^r_everybody.*,sex_weight1\\]$"), "sex"),
    sd_region = one("^sd_mmregion.*__Intercept$"), sd_gap = one("^sd_mmregion.*__m$"),
    sd_age_band = one("^sd_mmage_band.*__Intercept$"), sd_sex = one("^sd_everybody__sex_weight1$")
  )
}

weighted_gap <- function(draws, people) {
  members <- table(people$region[people$member == 1])
  draws$beta + apply(draws$gap, 1:2, function(gap) sum(gap * members) / sum(members))
}
