# Four specifications of the class gap in the example survey (EXAMPLE DATA), each made from the rows
# again: superiority with its standard error clustered on zone.
source("tests/r/common.R")
library(ordinal)
library(sandwich)

people <- read.csv(file.path(data_dir, "example.csv"), stringsAsFactors = FALSE)
people$class <- ordered(people$ses_class, c("E", "D", "C", "B", "A"))
people$above <- ordered(ifelse(people$ses_class == "E", "below D", ">=D"), c("below D", ">=D"))
people$age_band <- cut(people$age, c(-Inf, 25, 35, 45, 55, 65, Inf), right = FALSE,
                       labels = c("<25", "25-34", "35-44", "45-54", "55-64", "65+"))
people$sex <- factor(people$sex, c("male", "female"))
people$region <- factor(people$region, c("Lima", "Center", "East", "North", "South"))

exact <- function(on) {
  set <- interaction(people[on], drop = TRUE)
  members <- ave(people$member, set, FUN = sum)
  others <- ave(1 - people$member, set, FUN = sum)
  kept <- members > 0 & others > 0
  comparison <- kept & people$member == 0
  weight <- ifelse(kept, 1, 0)
  weight[comparison] <- (members / others)[comparison]
  weight[comparison] <- weight[comparison] * sum(comparison) / sum(weight[comparison])
  weight
}

superiority <- function(outcome, terms, link, weight, target) {
  data <- people[weight > 0, ]
  data$w <- weight[weight > 0]
  target <- target[weight > 0]
  data$y <- droplevels(data[[outcome]])
  formula <- reformulate(c("member", terms), "y")
  fit <- clm(formula, data = data, weights = w, link = link, control = tight)
  x <- model.matrix(delete.response(stats::terms(formula)), data)[, -1]
  lower_tail <- switch(link, logit = plogis, probit = pnorm, cloglog = function(e) -expm1(-exp(e)))
  params <- c(fit$alpha, fit$beta)
  cuts <- seq_along(fit$alpha)
  shares <- function(params, member) {
    rows <- x
    rows[, 1] <- member
    at <- lower_tail(outer(-as.vector(rows %*% params[-cuts]), params[cuts], "+"))
    cbind(at, 1) - cbind(0, at)
  }
  both <- function(params) cbind(shares(params, 1), shares(params, 0))
  total <- sum(target * data$w)
  levels <- nlevels(data$y)
  chance <- function(m) {
    member <- m[seq_len(levels)]
    comparison <- m[levels + seq_len(levels)]
    sum(member * (cumsum(comparison) - comparison / 2))
  }
  margins_at <- function(params) colSums(target * data$w * both(params)) / total
  margins <- margins_at(params)
  gradient <- numDeriv::grad(chance, margins)
  jacobian <- gradient %*% numDeriv::jacobian(margins_at, params)
  own <- target * data$w / total * as.vector(sweep(both(params), 2, margins) %*% gradient)
  influence <- own + as.vector(estfun(fit) %*% vcov(fit) %*% t(jacobian))
  sums <- rowsum(influence, data$zone)
  list(estimate = chance(margins),
       std_error = sqrt(nrow(sums) / (nrow(sums) - 1) * sum(sums^2)), n = nrow(data))
}

all_terms <- c("age_band", "sex", "region")
everyone <- rep(1, nrow(people))
write_fixture(list(
  region_covariate_probit = superiority("class", all_terms, "probit", exact(c("age_band", "sex")),
                                        people$member),
  no_region_cloglog = superiority("class", c("age_band", "sex"), "cloglog",
                                  exact(c("age_band", "sex")), people$member),
  cut_at_d = superiority("above", all_terms, "logit", exact(all_terms), people$member),
  pooled = superiority("class", all_terms, "logit", everyone, everyone)
), "multiverse")
