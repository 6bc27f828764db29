# The hierarchical model of the example survey (EXAMPLE DATA) with age as a number, a line and a
# natural spline: log-density and gradient by the Stan program beside this script, at some points of
# its free values. rstan compiles the program for a minute, so all.R leaves this script out:
# `Rscript tests/r/hierarchical_numeric.R`.
source("tests/r/common.R")
library(splines)
rstan::rstan_options(boost_lib = "/usr/include", boost_lib2 = "/usr/include")

SEED <- 20240118
POINTS <- 6
OUTCOME <- c("E", "D", "C", "B", "A")
REGIONS <- c("Lima", "Center", "East", "North", "South")
KNOTS <- c(20, 35, 50, 70)

people <- read.csv(file.path(data_dir, "example.csv"), stringsAsFactors = FALSE)
people <- people[order(-people$member), ]

# Heights at the knots but the first, above which the curve is counted: the basis of ns(), zero at
# the first knot, turned so that each column is one at its own knot.
heights <- function(age) {
  curve <- function(x) unclass(ns(x, knots = KNOTS[2:3], Boundary.knots = KNOTS[c(1, 4)]))
  curve(age) %*% solve(curve(KNOTS)[-1, ])
}
designs <- list(linear = cbind(people$age), spline = heights(people$age))

helmert <- contr.helmert(length(REGIONS))
basis <- unname(sweep(helmert, 2, sqrt(colSums(helmert^2)), "/"))

evaluated <- function(model, design) {
  spread <- apply(design, 2, function(column) sqrt(mean((column - mean(column))^2)))
  data <- list(
    n_member = sum(people$member), n_comparison = sum(1 - people$member),
    n_levels = length(OUTCOME), n_region = length(REGIONS), n_slope = ncol(design),
    y = match(people$ses_class, OUTCOME), region = match(people$region, REGIONS),
    columns = sweep(sweep(design, 2, colMeans(design)), 2, spread, "/"), region_basis = basis
  )
  fit <- suppressMessages(rstan::sampling(model, data, chains = 0))
  n <- rstan::get_num_upars(fit)
  set.seed(SEED)
  at <- matrix(rnorm(POINTS * n, 0, 0.5), POINTS)
  gradients <- apply(at, 1, function(x) rstan::grad_log_prob(fit, x))
  list(spread = as.vector(spread), at = at, gradients = t(gradients),
       log_densities = apply(at, 1, function(x) rstan::log_prob(fit, x)))
}

model <- rstan::stan_model("tests/r/hierarchical_numeric.stan")
result <- list(region_basis = basis, linear = evaluated(model, designs$linear),
               spline = evaluated(model, designs$spline))
write_fixture(result, "hierarchical_numeric")
