# Weighted linear model with a dummy a set: infert, pooled strata absorbed, clusters by parity and
# age (they cross the sets). CR2 with and without weights, and CR2 of raw shares: a logit on
# membership alone, whose log odds ratio is that of the two shares.
source("tests/r/common.R")
suppressMessages(library(clubSandwich))
library(sandwich)

infert <- read.csv(file.path(data_dir, "infert.csv"))
infert$member <- as.numeric(infert$spontaneous > 0)
infert$weight <- 0.5 + ((seq_len(nrow(infert)) - 1) %% 7) / 4
infert$cluster <- paste(infert$parity, infert$age %% 5)
fit <- lm(case ~ member + factor(pooled.stratum), data = infert, weights = weight)
cr2 <- function(fit, term) {
  found <- vcovCR(fit, infert$cluster, "CR2", inverse_var = TRUE)
  test <- coef_test(fit, vcov = found, test = "Satterthwaite")
  list(estimate = unname(coef(fit)[term]), std_error = test[term, "SE"],
       df = test[term, "df_Satt"])
}
plain <- lm(case ~ member + factor(pooled.stratum), data = infert)
shares <- suppressWarnings(glm(case ~ member, data = infert, family = binomial,
                               control = list(epsilon = 1e-15, maxit = 100)))
result <- list(
  cr2_plain = cr2(plain, "member"), cr2_weighted = cr2(fit, "member"),
  cr2_shares = cr2(shares, "member"),
  estimate = unname(coef(fit)["member"]),
  cluster_std_error = sqrt(vcovCL(fit, cluster = infert$cluster, type = "HC0",
                                  cadjust = TRUE)["member", "member"]),
  hc0_std_error = sqrt(sandwich(fit)["member", "member"]),
  n_clusters = length(unique(infert$cluster))
)
write_fixture(result, "linear")
