# Partial proportional odds, likelihood ratios against it, profile intervals, and bias-reduced
# logits: wine (72 ratings), housing (grouped, 1,681 tenants), soup (1,847 answers, six levels).
source("tests/r/common.R")
library(ordinal)
library(brglm2)

wine <- read.csv(file.path(data_dir, "wine.csv"), stringsAsFactors = TRUE)
wine$rating <- ordered(wine$rating)
wine$weight <- 0.5 + ((seq_len(nrow(wine)) - 1) %% 7) / 4
housing <- read.csv(file.path(data_dir, "housing.csv"))
housing$Sat <- ordered(housing$Sat, c("Low", "Medium", "High"))
housing$Infl <- factor(housing$Infl, c("Low", "Medium", "High"))
housing$Type <- factor(housing$Type, c("Tower", "Apartment", "Atrium", "Terrace"))
housing$Cont <- factor(housing$Cont, c("Low", "High"))
soup <- read.csv(file.path(data_dir, "soup.csv"))
soup$SURENESS <- ordered(soup$SURENESS)
soup$PRODID <- factor(soup$PRODID)
soup$DAY <- factor(soup$DAY)
soup$SOUPFREQ <- factor(soup$SOUPFREQ, c(">1/week", "1-4/month", "<1/month"))

# Slopes, freed slopes (clm adds them to the thresholds: minus ours) column by column, thresholds.
freed_record <- function(fit, freed, cluster = NULL) {
  k <- length(fit$beta)
  cuts <- ncol(fit$alpha.mat)
  rows <- match(freed, rownames(fit$alpha.mat))
  at <- matrix(seq_along(fit$alpha.mat), nrow(fit$alpha.mat), byrow = TRUE)
  order <- c(length(fit$alpha.mat) + seq_len(k), t(at[rows, , drop = FALSE]), at[1, ])
  sign <- c(rep(1, k), rep(-1, length(rows) * cuts), rep(1, cuts))
  params <- coef(fit)[order] * sign
  cov <- unname(vcov(fit)[order, order]) * outer(sign, sign)
  record <- list(params = unname(params), std_errors = sqrt(diag(cov)),
                 log_likelihood = as.numeric(logLik(fit)))
  if (!is.null(cluster)) {
    robust <- sandwich::vcovCL(fit, cluster = cluster, type = "HC0", cadjust = TRUE)
    record$cluster_std_errors <- unname(sqrt(diag(robust))[order])
  }
  record
}

result <- list()
for (link in c("logit", "probit", "cloglog")) {
  plain <- clm(rating ~ temp, nominal = ~ contact, data = wine, link = link, control = tight)
  weighted <- clm(rating ~ temp, nominal = ~ contact, data = wine, weights = weight, link = link,
                  control = tight)
  grouped <- clm(Sat ~ Type + Cont, nominal = ~ Infl, data = housing, weights = Freq, link = link,
                 control = tight)
  sure <- clm(SURENESS ~ DAY + SOUPFREQ, nominal = ~ PRODID, data = soup, link = link,
              control = tight)
  result$freed[[link]] <- list(
    wine = freed_record(plain, "contactyes"),
    wine_weighted = freed_record(weighted, "contactyes"),
    housing = freed_record(grouped, c("InflMedium", "InflHigh")),
    soup = freed_record(sure, paste0("PRODID", 2:6))
  )
  all <- clm(SURENESS ~ DAY + SOUPFREQ + PRODID, data = soup, link = link, control = tight)
  result$soup[[link]] <- clm_record(all)
}
tied <- clm(Sat ~ Infl + Type + Cont, data = housing, weights = Freq, control = tight)
free <- list(Infl = clm(Sat ~ Type + Cont, nominal = ~ Infl, data = housing, weights = Freq,
                        control = tight),
             Type = clm(Sat ~ Infl + Cont, nominal = ~ Type, data = housing, weights = Freq,
                        control = tight),
             Cont = clm(Sat ~ Infl + Type, nominal = ~ Cont, data = housing, weights = Freq,
                        control = tight))
statistic <- sapply(free, function(one) 2 * as.numeric(logLik(one) - logLik(tied)))
df <- sapply(free, function(one) length(coef(one)) - length(coef(tied)))
result$ratio <- list(terms = names(free), statistic = unname(statistic), df = unname(df),
                     p_value = unname(pchisq(statistic, df, lower.tail = FALSE)))

wine$above <- as.integer(wine$rating) >= 2
housing$high <- housing$Sat == "High"
reduced <- function(formula, data, weight = rep(1, nrow(data)), link = "logit") {
  data$w <- weight
  fit <- glm(formula, family = binomial(link), data = data, weights = w, method = "brglmFit",
             type = "AS_mean", control = brglmControl(epsilon = 1e-13, maxit = 1000))
  list(coefficients = unname(coef(fit)), std_errors = unname(sqrt(diag(vcov(fit)))))
}
for (link in c("logit", "probit")) {
  result$reduced[[link]] <- list(
    wine = reduced(above ~ temp + contact, wine, link = link),
    housing = reduced(high ~ Infl + Type + Cont, housing, housing$Freq, link = link)
  )
}
write_fixture(result, "proportional")
