# Uganda dairy farmers 2021 (repository bjvca/PIMDVC, wave_2021/farmers.csv), the codebook applied
# again. The file is not shipped: its path is in COOPGAP_UGANDA. Only estimates are written.
source("tests/r/common.R")
library(ordinal)
library(survival)
library(sandwich)

raw <- read.csv(Sys.getenv("COOPGAP_UGANDA"), colClasses = "character", check.names = FALSE,
                na.strings = c("n/a"))
number <- function(column, missing) {
  value <- as.numeric(raw[[column]])
  ifelse(value %in% missing, NA, value)
}
items <- sapply(sprintf("dairy.welfare.g%02da", 1:8), number, missing = 98)
all_people <- data.frame(
  member = 2 - number("dairy.cooperative.q149", 98),
  income = ordered(6 - number("dairy.welfare.g10", 98)),
  insecure = as.numeric(rowSums(items == 1) >= 4),
  district = factor(raw$district, sort(unique(raw$district))),
  age = cut(number("dairy.q2", 999), c(-Inf, 35, 45, 55, 65, Inf), right = FALSE,
            labels = c("<35", "35-44", "45-54", "55-64", "65+")),
  sex = factor(raw$dairy.q3, c("Female", "Male")),
  education = factor(number("dairy.q4", c(96, 98)), 1:6),
  sub = raw$sub
)
covariates <- c("district", "age", "sex", "education")

complete <- function(outcome) {
  people <- all_people[complete.cases(all_people[, c("member", outcome, covariates, "sub")]), ]
  people$set <- as.integer(interaction(people[covariates], drop = TRUE, lex.order = TRUE))
  members <- ave(people$member, people$set, FUN = sum)
  others <- ave(1 - people$member, people$set, FUN = sum)
  people$kept <- members > 0 & others > 0
  weight <- ifelse(people$member == 1, 1, members / others)
  comparison <- people$kept & people$member == 0
  weight[comparison] <- weight[comparison] * sum(comparison) / sum(weight[comparison])
  people$weight <- ifelse(people$kept, weight, 0)
  people
}

design <- function(people) {
  model.matrix(~ member + district + age + sex + education, droplevels(people))[, -1]
}

clm_full <- function(people, weight, targets) {
  people$w <- weight
  # clm looks its weights up in the data.
  fit <- clm(income ~ member + district + age + sex + education, data = droplevels(people),
             weights = w, control = tight)
  record <- clm_record(fit, people$sub)
  record$n <- nrow(people)
  record$standardised <- lapply(targets, function(target) {
    standardised(fit, design(people), target, weight, people$sub)
  })
  record
}

# Membership's coefficient free by threshold.
clm_free <- function(people, weight, targets) {
  people$w <- weight
  fit <- clm(income ~ district + age + sex + education, nominal = ~ member,
             data = droplevels(people), weights = w, control = tight)
  record <- free_record(fit, design(people), people$income, weight, people$sub, targets)
  c(record, n = nrow(people))
}

glm_full <- function(people, weight) {
  people$w <- weight
  fit <- suppressWarnings(glm(insecure ~ member + district + age + sex + education,
                              data = droplevels(people), weights = w, family = binomial,
                              control = glm.control(epsilon = 1e-14, maxit = 100)))
  for (i in 1:3) fit <- suppressWarnings(update(fit, start = coef(fit)))
  robust <- vcovCL(fit, cluster = people$sub, type = "HC0", cadjust = TRUE)
  list(terms = names(coef(fit)), coefficients = unname(coef(fit)),
       std_errors = unname(sqrt(diag(vcov(fit)))),
       cluster_std_errors = unname(sqrt(diag(robust))), n = nrow(people))
}

conditional <- function(people, outcome) {
  level <- as.integer(factor(people[[outcome]]))
  copies <- do.call(rbind, lapply(seq_len(max(level))[-1], function(cut) {
    data.frame(above = as.numeric(level >= cut), member = people$member,
               stratum = paste(people$set, cut))
  }))
  fit <- clogit(above ~ member + strata(stratum), data = copies, method = "exact",
                control = coxph.control(eps = 1e-14, toler.chol = 1e-16, iter.max = 100))
  list(slope = unname(coef(fit)), inverse_information = as.numeric(vcov(fit)),
       log_likelihood = fit$loglik[2])
}

linear <- function(people, above) {
  people$above <- as.numeric(above)
  fit <- lm(above ~ member + factor(set), data = people, weights = weight)
  robust <- vcovCL(fit, cluster = people$sub, type = "HC0", cadjust = TRUE)
  list(estimate = unname(coef(fit)["member"]), std_error = sqrt(robust["member", "member"]))
}

income <- complete("income")
kept <- income[income$kept, ]
insecure <- complete("insecure")
insecure_kept <- insecure[insecure$kept, ]
both <- list(members = income$member * income$kept, all_members = income$member)
result <- list(
  adjusted_ordinal = clm_free(income, rep(1, nrow(income)), both),
  matched_ordinal = clm_free(kept, kept$weight, list(members = kept$member)),
  adjusted_proportional = clm_full(income, rep(1, nrow(income)), both),
  matched_proportional = clm_full(kept, kept$weight, list(members = kept$member)),
  adjusted_logit = glm_full(insecure, rep(1, nrow(insecure))),
  matched_logit = glm_full(insecure_kept, insecure_kept$weight),
  conditional_ordinal = conditional(kept, "income"),
  conditional_logit = conditional(insecure_kept, "insecure"),
  linear_income = lapply(2:5, function(cut) linear(kept, as.integer(kept$income) >= cut)),
  linear_insecure = linear(insecure_kept, insecure_kept$insecure == 1),
  n_members_kept = list(income = sum(kept$member), insecure = sum(insecure_kept$member))
)
write_fixture(result, "uganda")
