# Pairs and weights of MatchIt's nearest and exact matching on lalonde, as measured and in bands.
# Version 4.5.1 ignores `caliper`, so no fixture has one, and with a score in place of a matrix it
# looks for comparison people on one side of the member only: it always gets the matrix, and the
# members in the order in which they choose.
source("tests/r/common.R")

lalonde <- read.csv(file.path(data_dir, "lalonde.csv"), stringsAsFactors = FALSE)
lalonde$race <- factor(lalonde$race)
banded <- data.frame(
  treat = lalonde$treat,
  age = cut(lalonde$age, c(-Inf, 20, 25, 30, 40, Inf), labels = FALSE),
  educ = cut(lalonde$educ, c(-Inf, 8, 11, 12, Inf), labels = FALSE),
  race = as.integer(lalonde$race), married = lalonde$married,
  earned = as.integer(lalonde$re74 > 0)
)
for (name in c("age", "educ", "race")) banded[[name]] <- factor(banded[[name]])

# One row a pair, rows counted from 0; `rows` are the rows of the data that was matched.
pairs_of <- function(fit, rows) {
  chosen <- fit$match.matrix
  at <- as.integer(c(rownames(chosen)[row(chosen)], chosen))
  pairs <- matrix(rows[at] - 1L, ncol = 2)
  pairs <- pairs[!is.na(pairs[, 2]), , drop = FALSE]
  unname(pairs[order(pairs[, 1], pairs[, 2]), ])
}

record <- function(formula, data, ..., rows = seq_len(nrow(data))) {
  data <- data[rows, ]
  rownames(data) <- NULL
  fit <- suppressWarnings(MatchIt::matchit(formula, data = data, ...))
  weights <- numeric(nrow(data))
  weights[rows] <- fit$weights
  list(pairs = if (is.null(fit$match.matrix)) NULL else pairs_of(fit, rows), weights = weights)
}

measured <- treat ~ age + educ + race + married + nodegree + re74 + re75
in_bands <- treat ~ age + educ + race + married + earned
nearest <- function(formula, data, ...) record(formula, data, method = "nearest", ...)

# Members by score, then the comparison group; `sign` -1 for the largest first, 0 for data order.
by_score <- function(formula, data, score, sign = -1, ...) {
  rows <- order(-data$treat, if (sign == 0) seq_along(score) else sign * score * data$treat)
  score <- round(unname(score)[rows], 10)
  treat <- data$treat[rows]
  apart <- round(abs(outer(score[treat == 1], score[treat == 0], "-")), 10)
  nearest(formula, data, rows = rows, distance = apart, ...)
}

# 4.5.1 stops on distance = "robust_mahalanobis" (it looks at an unset variance): its own lines,
# with the rank covariance put in, make the matrix that it then matches on.
robust <- function(formula, data) {
  ranks <- apply(MatchIt:::get.covs.matrix.for.dist(formula, data), 2, rank)
  var <- cov(ranks)
  scale <- sd(seq_len(nrow(ranks))) / sqrt(diag(var))
  inverse <- MatchIt:::generalized_inverse(var * outer(scale, scale))
  points <- MatchIt:::mahalanobize(ranks, inverse)
  round(unname(as.matrix(dist(points))[data$treat == 1, data$treat == 0]), 10)
}

# MatchIt's own distances, from indicators without the first level of each factor: with all of them
# 4.5.1 takes a pivoted Cholesky root of a singular matrix and does not cut it at the rank. Rounded,
# so that among equal ones the first row is taken.
mahalanobis <- function(formula, data) {
  x <- data.frame(treat = data$treat, model.matrix(formula, data)[, -1])
  round(unname(MatchIt::mahalanobis_dist(treat ~ ., x)), 10)
}

logit_score <- function(formula, data) {
  predict(glm(formula, binomial, data, control = list(epsilon = 1e-14, maxit = 100)))
}
score <- logit_score(measured, lalonde)

result <- list(
  version = as.character(packageVersion("MatchIt")),
  linear_propensity = unname(score),
  measured = list(
    propensity = by_score(measured, lalonde, score),
    propensity_smallest = by_score(measured, lalonde, score, 1),
    propensity_data = by_score(measured, lalonde, score, 0),
    two = by_score(measured, lalonde, score, ratio = 2),
    replace = by_score(measured, lalonde, score, replace = TRUE),
    replace_two = by_score(measured, lalonde, score, replace = TRUE, ratio = 2),
    by_race = by_score(measured, lalonde, score, exact = ~race),
    mahalanobis = nearest(measured, lalonde, distance = "mahalanobis"),
    robust_mahalanobis = nearest(measured, lalonde, distance = robust(measured, lalonde))
  ),
  banded = list(
    exact = record(in_bands, data = banded, method = "exact"),
    propensity = by_score(in_bands, banded, logit_score(in_bands, banded)),
    mahalanobis = nearest(in_bands, banded, distance = mahalanobis(in_bands, banded)),
    robust_mahalanobis = nearest(in_bands, banded, distance = robust(in_bands, banded)),
    by_race = nearest(in_bands, banded, distance = mahalanobis(in_bands, banded), exact = ~race)
  )
)
write_fixture(result, "matching")
