# Binary regression: esoph (grouped), infert (248 women in 83 strata) and lalonde (614 people; whether
# they earned anything in 1978, clusters by age).
source("tests/r/common.R")
library(sandwich)

esoph <- read.csv(file.path(data_dir, "esoph.csv"))
for (name in c("agegp", "alcgp", "tobgp")) esoph[[name]] <- factor(esoph[[name]])
esoph$agegp <- factor(esoph$agegp, c("25-34", "35-44", "45-54", "55-64", "65-74", "75+"))
esoph$alcgp <- factor(esoph$alcgp, c("0-39g/day", "40-79", "80-119", "120+"))
esoph$tobgp <- factor(esoph$tobgp, c("0-9g/day", "10-19", "20-29", "30+"))
infert <- read.csv(file.path(data_dir, "infert.csv"))
infert$weight <- 0.5 + ((seq_len(nrow(infert)) - 1) %% 7) / 4

tight_glm <- glm.control(epsilon = 1e-14, maxit = 100)
record <- function(fit, cluster = NULL) {
  # The last step of glm leaves vcov one iteration behind: recompute at the estimate.
  for (i in 1:3) fit <- update(fit, start = coef(fit))
  value <- list(terms = names(coef(fit)), coefficients = unname(coef(fit)),
                cov = unname(vcov(fit)), std_errors = unname(sqrt(diag(vcov(fit)))))
  if (!is.null(cluster)) {
    robust <- vcovCL(fit, cluster = cluster, type = "HC0", cadjust = TRUE)
    value$cluster_cov <- unname(robust)
    value$cluster_std_errors <- unname(sqrt(diag(robust)))
    value$hc0_std_errors <- unname(sqrt(diag(sandwich(fit))))
  }
  value
}

result <- list()
for (link in c("logit", "probit", "cloglog")) {
  result[[link]] <- list(
    esoph = record(glm(cbind(ncases, ncontrols) ~ alcgp + tobgp + agegp, data = esoph,
                       family = binomial(link), control = tight_glm)),
    infert = record(glm(case ~ spontaneous + induced + age, data = infert,
                        family = binomial(link), control = tight_glm), infert$stratum),
    # binomial() warns of weights that are not whole, and fits them as they are.
    infert_weighted = suppressWarnings(
      record(glm(case ~ spontaneous + induced + age, data = infert, weights = weight,
                 family = binomial(link), control = tight_glm), infert$stratum))
  )
}

lalonde <- read.csv(file.path(data_dir, "lalonde.csv"))
lalonde$earned <- as.numeric(lalonde$re78 > 0)
lalonde$thousands <- lalonde$re75 / 1000
lalonde$race <- factor(lalonde$race, c("white", "black", "hispan"))
earned <- glm(earned ~ treat + educ + race + married + nodegree + thousands, data = lalonde,
              family = binomial, control = tight_glm)
result$lalonde <- record(earned)
errors <- function(cov) unname(sqrt(diag(cov)))
result$lalonde$robust <- list(
  HC0 = errors(vcovHC(earned, "HC0")), HC1 = errors(vcovHC(earned, "HC1")),
  HC3 = errors(vcovHC(earned, "HC3")),
  CR0 = errors(vcovCL(earned, lalonde$age, type = "HC0", cadjust = FALSE)),
  CR1 = errors(vcovCL(earned, lalonde$age, type = "HC0", cadjust = TRUE)),
  CR1S = errors(vcovCL(earned, lalonde$age, type = "HC1", cadjust = TRUE))
)
result$lalonde$n_clusters <- length(unique(lalonde$age))
write_fixture(result, "binary")
