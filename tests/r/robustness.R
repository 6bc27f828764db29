# Omitted variable bias on a weighted linear model by lm: partial R2 of a covariate's levels from
# sums of squares, the published bounds of a confounder k times as strong, and what it would leave.
source("tests/r/common.R")

example <- read.csv(file.path(data_dir, "example.csv"))
example$y <- as.numeric(example$trusted_person == 1)
example$decade <- factor(pmin(example$age %/% 10, 7))
example$w <- 0.5 + ((seq_len(nrow(example)) - 1) %% 7) / 4
covariates <- c("region", "sex", "decade")

partial <- function(target, given, own) {
  rss <- function(terms) {
    deviance(lm(reformulate(terms, target), data = example, weights = w))
  }
  1 - rss(c(given, own)) / rss(given)
}

fit <- lm(reformulate(c("member", covariates), "y"), data = example, weights = w)
term <- summary(fit)$coefficients["member", ]
df <- fit$df.residual
clustered <- sqrt(sandwich::vcovCL(fit, cluster = example$zone, type = "HC0",
                                   cadjust = TRUE)["member", "member"])
strengths <- lapply(setNames(nm = covariates), function(one) {
  others <- setdiff(covariates, one)
  d <- partial("member", others, one)
  y <- partial("y", c("member", others), one)
  bounds <- sapply(1:3, function(k) {
    member <- k * d / (1 - d)
    between <- k * d^2 / ((1 - k * d) * (1 - d))
    outcome <- ((sqrt(k) + sqrt(between)) / sqrt(1 - between))^2 * y / (1 - y)
    left <- term[["Estimate"]] -
      sign(term[["Estimate"]]) * term[["Std. Error"]] * sqrt(df) *
      sqrt(outcome * member / (1 - member))
    error <- term[["Std. Error"]] * sqrt((1 - outcome) / (1 - member)) * sqrt(df / (df - 1))
    c(member, outcome, left, error)
  })
  list(member = d, outcome = y, bounds = t(bounds))
})
# Twenty clusters, without weights: there the symmetric root and clubSandwich's are one.
plain <- lm(reformulate(c("member", covariates), "y"), data = example)
few <- clubSandwich::vcovCR(plain, example$zone %% 20, "CR2")
test <- clubSandwich::coef_test(plain, vcov = few, test = "Satterthwaite")
write_fixture(list(estimate = term[["Estimate"]], std_error = term[["Std. Error"]], df = df,
                   clustered = clustered, strengths = strengths,
                   cr2 = list(std_error = test["member", "SE"], df = test["member", "df_Satt"])), "robustness")
