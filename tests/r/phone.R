# The example survey (EXAMPLE DATA, written by tests/r/example.py): phone and in-person people in one
# regression with a term for the mode, and phone answers as one cumulative odds ratio.
source("tests/r/common.R")
library(ordinal)
library(sandwich)

read_people <- function(name) {
  people <- read.csv(file.path(data_dir, name), stringsAsFactors = FALSE)
  people$class <- ordered(people$ses_class, c("E", "D", "C", "B", "A"))
  people$trusted <- 2 - people$trusted_person
  people$age_band <- cut(people$age, c(-Inf, 25, 35, 45, 55, 65, Inf), right = FALSE,
                         labels = c("<25", "25-34", "35-44", "45-54", "55-64", "65+"))
  people$sex <- factor(people$sex, c("male", "female"))
  people$region <- factor(people$region, c("Lima", "Center", "East", "North", "South"))
  people
}
in_person <- read_people("example.csv")
called <- read_people("example_phone.csv")

# Matching weights of the exact strata of region, age band and sex.
strata <- interaction(in_person[c("region", "age_band", "sex")], drop = TRUE)
members <- ave(in_person$member, strata, FUN = sum)
others <- ave(1 - in_person$member, strata, FUN = sum)
kept <- members > 0 & others > 0
comparison <- kept & in_person$member == 0
in_person$weight <- ifelse(kept, 1, 0)
in_person$weight[comparison] <- (members / others)[comparison]
in_person$weight[comparison] <-
  in_person$weight[comparison] * sum(comparison) / sum(in_person$weight[comparison])

# Entropy balancing of the phone people to the margins of the members kept: w = exp(x'b), Newton on
# the convex dual.
x_of <- function(data) model.matrix(~ age_band + sex + region, data)
target <- colMeans(x_of(in_person[kept & in_person$member == 1, ]))
x <- x_of(called)
b <- c(log(1 / nrow(called)), rep(0, ncol(x) - 1))
for (i in 1:100) {
  w <- as.vector(exp(x %*% b))
  b <- b + solve(crossprod(x, w * x), target - crossprod(x, w))
}
called$weight <- as.vector(exp(x %*% b)) * nrow(called)

joined <- rbind(cbind(in_person[kept, ], mode = 0), cbind(called, mode = 1))
# Membership first: `standardised` sets column 1; members are in person, so the mode stays 0 there.
design <- model.matrix(~ member + mode + age_band + sex + region, joined)[, -1]

ordinal_fit <- clm(class ~ member + mode + age_band + sex + region, data = joined,
                   weights = weight, control = tight)
trusted <- joined$trusted
binary_fit <- clm(ordered(trusted) ~ member + mode + age_band + sex + region, data = joined,
                  weights = weight, control = tight)
logit_fit <- suppressWarnings(glm(trusted ~ member + mode + age_band + sex + region, data = joined,
                                  weights = weight, family = binomial,
                                  control = glm.control(epsilon = 1e-14, maxit = 100)))

mode_record <- function(fit) {
  record <- clm_record(fit, joined$zone)
  record <- record[setdiff(names(record), c("cov", "cluster_cov", "max_gradient"))]
  record$standardised <- standardised(fit, design, joined$member, joined$weight, joined$zone)
  record
}

# Thresholds of the phone people's own beside common slopes, written out and maximised by hand: what
# `standardised` knows of clm has no thresholds that differ.
own_thresholds <- function() {
  y <- as.integer(joined$class)
  x <- design[, colnames(design) != "mode"]
  k <- ncol(x)
  cuts <- 4
  # Thresholds in person (4), thresholds by phone (4), slopes.
  cell <- function(params) {
    theta <- rbind(params[1:cuts], params[cuts + 1:cuts])[joined$mode + 1, ]
    eta <- as.vector(x %*% params[2 * cuts + seq_len(k)])
    at <- cbind(0, plogis(theta - eta), 1)
    at[cbind(seq_along(y), y + 1)] - at[cbind(seq_along(y), y)]
  }
  value <- function(params) {
    p <- cell(params)
    if (any(p <= 0)) return(1e10)
    -sum(joined$weight * log(p))
  }
  start <- c(ordinal_fit$alpha, ordinal_fit$alpha - ordinal_fit$beta["mode"],
             ordinal_fit$beta[names(ordinal_fit$beta) != "mode"])
  params <- unname(nlminb(start, value, control = list(iter.max = 1000, eval.max = 4000))$par)
  # Exact scores: the derivative of each person's cell, by hand.
  score <- function(params) {
    theta <- rbind(params[1:cuts], params[cuts + 1:cuts])[joined$mode + 1, ]
    eta <- as.vector(x %*% params[2 * cuts + seq_len(k)])
    density <- cbind(0, dlogis(theta - eta), 0)
    rows <- seq_along(y)
    upper <- density[cbind(rows, y + 1)] / cell(params)
    lower <- density[cbind(rows, y)] / cell(params)
    result <- matrix(0, length(y), 2 * cuts + k)
    for (i in rows) {
      first <- cuts * joined$mode[i]
      if (y[i] <= cuts) result[i, first + y[i]] <- upper[i]
      if (y[i] > 1) result[i, first + y[i] - 1] <- -lower[i]
    }
    result[, 2 * cuts + seq_len(k)] <- -(upper - lower) * x
    joined$weight * result
  }
  for (i in 1:20) {
    hessian <- numDeriv::jacobian(function(p) colSums(score(p)), params)
    params <- params - solve(hessian, colSums(score(params)))
  }
  bread <- solve(-numDeriv::jacobian(function(p) colSums(score(p)), params))
  both <- function(p) {
    side <- function(member) {
      rows <- x
      rows[, "member"] <- member
      at <- plogis(outer(-as.vector(rows %*% p[2 * cuts + seq_len(k)]), p[1:cuts], "+"))
      cbind(at, 1) - cbind(0, at)
    }
    cbind(side(1), side(0))
  }
  target <- joined$member * joined$weight
  margins_at <- function(p) colSums(target * both(p)) / sum(target)
  margins <- margins_at(params)
  influence <- target * sweep(both(params), 2, margins) / sum(target) +
    score(params) %*% bread %*% t(numDeriv::jacobian(margins_at, params))
  sums <- rowsum(influence, joined$zone)
  g <- nrow(sums)
  list(in_person_thresholds = params[1:cuts], phone_thresholds = params[cuts + 1:cuts],
       slopes = params[2 * cuts + seq_len(k)], margins = margins,
       std_errors = sqrt(diag(g / (g - 1) * crossprod(sums))))
}

# Comparison people of both modes, unweighted, the phone as the first term.
pair <- rbind(cbind(in_person[in_person$member == 0, names(called)], phone = 0),
              cbind(called, phone = 1))
odds <- function(formula) {
  fit <- clm(formula, data = pair, control = tight)
  record <- clm_record(fit, pair$zone)
  list(log_odds = record$slopes[1], std_error = record$cluster_std_errors[1],
       n_clusters = record$n_clusters, n = nrow(pair))
}

write_fixture(list(
  phone_weights = called$weight,
  n_joined = nrow(joined),
  mode_term = list(ordinal = mode_record(ordinal_fit), binary = mode_record(binary_fit),
                   glm = list(terms = names(coef(logit_fit)),
                              coefficients = unname(coef(logit_fit)))),
  own_thresholds = own_thresholds(),
  odds_ratio = list(unadjusted = odds(class ~ phone),
                    adjusted = odds(class ~ phone + age_band + sex + region))
), "phone")
