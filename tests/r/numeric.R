# Age as a number in the example survey (EXAMPLE DATA, written by tests/r/example.py): a straight
# line, and splines::ns. Adjusted on everybody, matched with exact strata of region and sex.
source("tests/r/common.R")
library(ordinal)
library(splines)
library(sandwich)

people <- read.csv(file.path(data_dir, "example.csv"), stringsAsFactors = FALSE)
people$class <- ordered(people$ses_class, c("E", "D", "C", "B", "A"))
people$trusted <- 2 - people$trusted_person
people$sex <- factor(people$sex, c("male", "female"))
people$region <- factor(people$region, c("Lima", "Center", "East", "North", "South"))
members <- ave(people$member, people$region, people$sex, FUN = sum)
others <- ave(1 - people$member, people$region, people$sex, FUN = sum)
people$weight <- ifelse(people$member == 1, 1, members / others)
comparison <- people$member == 0
people$weight[comparison] <- people$weight[comparison] * sum(comparison) /
  sum(people$weight[comparison])

knots <- c(20, 35, 50, 70)
curve <- function(age) ns(age, knots = knots[2:3], Boundary.knots = knots[c(1, 4)])
# The curve above its first knot at the others, with standard errors from a covariance.
heights <- function(slopes, cov) {
  at <- unclass(curve(knots))[-1, ]
  list(values = as.vector(at %*% slopes), std_errors = sqrt(diag(at %*% cov %*% t(at))))
}

forms <- list(linear = class ~ age + sex + region, spline = class ~ curve(age) + sex + region)
designs <- list(linear = ~ member + age + sex + region,
                spline = ~ member + curve(age) + sex + region)
free <- function(form, weight) {
  people$w <- weight
  fit <- clm(forms[[form]], nominal = ~ member, data = people, weights = w, control = tight)
  x <- model.matrix(designs[[form]], people)[, -1]
  record <- free_record(fit, x, people$class, weight, people$zone, list(members = people$member))
  if (form == "spline") {
    own <- grep("curve", names(fit$beta))
    record$heights <- heights(fit$beta[own], vcov(fit)[names(fit$beta)[own], names(fit$beta)[own]])
  }
  record
}

logit <- function(form, weight) {
  people$w <- weight
  fit <- suppressWarnings(glm(update(forms[[form]], trusted ~ member + .), data = people,
                              weights = w, family = binomial,
                              control = glm.control(epsilon = 1e-14, maxit = 100)))
  for (i in 1:3) fit <- suppressWarnings(update(fit, start = coef(fit)))
  robust <- vcovCL(fit, cluster = people$zone, type = "HC0", cadjust = TRUE)
  both <- sapply(1:0, function(side) {
    weighted.mean(predict(fit, transform(people, member = side), type = "response"),
                  people$member)
  })
  list(terms = names(coef(fit)), coefficients = unname(coef(fit)),
       cluster_std_errors = unname(sqrt(diag(robust))), shares = both)
}

ones <- rep(1, nrow(people))
result <- list(
  basis = list(at = c(10, 15, knots, 42.5, 90), columns = unname(unclass(curve(c(
    10, 15, knots, 42.5, 90)))[, 1:3])),
  adjusted = list(linear = free("linear", ones), spline = free("spline", ones)),
  matched = list(linear = free("linear", people$weight), spline = free("spline", people$weight)),
  adjusted_logit = list(linear = logit("linear", ones), spline = logit("spline", ones)),
  matched_logit = list(linear = logit("linear", people$weight),
                       spline = logit("spline", people$weight))
)
write_fixture(result, "numeric")
