# The example survey (EXAMPLE DATA, written by tests/r/example.py): every family that has a program
# in R, with bands, exact strata and weights made here again.
source("tests/r/common.R")
library(ordinal)
library(survival)
library(sandwich)

people <- read.csv(file.path(data_dir, "example.csv"), stringsAsFactors = FALSE)
people$class <- ordered(people$ses_class, c("E", "D", "C", "B", "A"))
people$trusted <- 2 - people$trusted_person
people$age_band <- cut(people$age, c(-Inf, 25, 35, 45, 55, 65, Inf), right = FALSE,
                       labels = c("<25", "25-34", "35-44", "45-54", "55-64", "65+"))
people$sex <- factor(people$sex, c("male", "female"))
people$region <- factor(people$region, c("Lima", "Center", "East", "North", "South"))
strata <- people[c("region", "age_band", "sex")]
people$set <- as.integer(interaction(strata, drop = TRUE, lex.order = TRUE))

members <- ave(people$member, people$set, FUN = sum)
others <- ave(1 - people$member, people$set, FUN = sum)
kept <- members > 0 & others > 0
comparison <- kept & people$member == 0
weight <- ifelse(kept, 1, 0)
weight[comparison] <- (members / others)[comparison]
weight[comparison] <- weight[comparison] * sum(comparison) / sum(weight[comparison])
people$weight <- weight
matched <- people[kept, ]

x_of <- function(data) model.matrix(~ member + age_band + sex + region, data)[, -1]
ordinal_record <- function(data, weight, link, target) {
  data$w <- weight
  fit <- clm(class ~ member + age_band + sex + region, data = data, weights = w, link = link,
             control = tight)
  record <- clm_record(fit, data$zone)
  record <- record[setdiff(names(record), c("cov", "cluster_cov"))]
  record$n <- nrow(data)
  if (link == "logit") {
    record$standardised <- standardised(fit, x_of(data), target, weight, data$zone)
  }
  record
}

# Membership's coefficient free by threshold.
free <- function(data, weight, target) {
  data$w <- weight
  fit <- clm(class ~ age_band + sex + region, nominal = ~ member, data = data, weights = w,
             control = tight)
  record <- free_record(fit, x_of(data), data$class, weight, data$zone, list(members = target))
  c(record, n = nrow(data))
}

# Weighted shares of members, then of the others, zones as clusters.
shares <- function(data) {
  design <- survey::svydesign(ids = ~zone, weights = ~weight, data = data)
  found <- survey::svyby(~class, ~I(1 - member), design, survey::svymean, covmat = TRUE)
  values <- as.matrix(found[, 1 + seq_along(levels(data$class))])
  # svyby's covariance has a level's two groups beside each other.
  order <- as.vector(t(matrix(seq_along(values), 2)))
  list(shares = unname(values), cov = unname(vcov(found)[order, order]))
}

logit_record <- function(data, weight) {
  data$w <- weight
  fit <- suppressWarnings(glm(trusted ~ member + age_band + sex + region, data = data, weights = w,
                              family = binomial,
                              control = glm.control(epsilon = 1e-14, maxit = 100)))
  # The last step of glm leaves vcov one iteration behind: recompute at the estimate.
  for (i in 1:3) fit <- suppressWarnings(update(fit, start = coef(fit)))
  robust <- vcovCL(fit, cluster = data$zone, type = "HC0", cadjust = TRUE)
  list(terms = names(coef(fit)), coefficients = unname(coef(fit)),
       std_errors = unname(sqrt(diag(vcov(fit)))),
       cluster_std_errors = unname(sqrt(diag(robust))), n = nrow(data))
}

# One binary copy a cut; with two levels there is one cut. A likelihood of 2,000 people rounds in its
# fourteenth digit: a smaller eps would never be met.
conditional <- function(data, level) {
  copies <- do.call(rbind, lapply(seq_len(max(level))[-1], function(cut) {
    data.frame(above = as.numeric(level >= cut), member = data$member,
               stratum = paste(data$set, cut))
  }))
  fit <- clogit(above ~ member + strata(stratum), data = copies, method = "exact",
                control = coxph.control(eps = 1e-11, toler.chol = 1e-16, iter.max = 100))
  list(slope = unname(coef(fit)), std_error = sqrt(as.numeric(vcov(fit))),
       log_likelihood = fit$loglik[2])
}

result <- list(n_kept = sum(kept), weights = unname(tapply(matched$weight, list(
  matched$set, matched$member), function(w) w[1])[, "0"]))
for (link in c("logit", "probit", "cloglog")) {
  result$adjusted_proportional[[link]] <- ordinal_record(people, rep(1, nrow(people)), link,
                                                         people$member * kept)
  result$matched_proportional[[link]] <- ordinal_record(matched, matched$weight, link,
                                                        matched$member)
}
result$adjusted_ordinal <- free(people, rep(1, nrow(people)), people$member * kept)
result$matched_ordinal <- free(matched, matched$weight, matched$member)
result$shares <- shares(matched)
result$unadjusted <- shares(transform(people, weight = 1))
result$adjusted_logit <- logit_record(people, rep(1, nrow(people)))
result$matched_logit <- logit_record(matched, matched$weight)
result$conditional_ordinal <- conditional(matched, as.integer(matched$class))
result$conditional_logit <- conditional(matched, matched$trusted + 1)
write_fixture(result, "example")
