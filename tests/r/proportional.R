# Partial proportional odds and likelihood ratios against it: wine (72 ratings, 9 judges), housing
# (grouped, 1,681 tenants), soup (1,847 answers, six levels). Housing's rows and soup's have made
# clusters: row or answer numbers modulo a number.
source("tests/r/common.R")
library(ordinal)

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

cdf <- list(logit = plogis, probit = pnorm, cloglog = function(eta) -expm1(-exp(eta)))

# Cluster sandwich G/(G-1): sandwich has no scores of nominal effects, so each row's log-likelihood
# is differentiated numerically (Richardson, ten digits). `tied` and `freed` are one-sided formulas.
clustered <- function(fit, link, data, tied, freed, answer, weight, cluster) {
  z <- model.matrix(freed, data)
  x <- model.matrix(tied, data)[, -1, drop = FALSE]
  level <- as.integer(answer)
  rows_at <- function(params) {
    alpha <- matrix(params[seq_along(fit$alpha.mat)], ncol(z), byrow = TRUE)
    eta <- z %*% alpha - as.vector(x %*% params[length(fit$alpha.mat) + seq_len(ncol(x))])
    at <- cbind(0, cdf[[link]](eta), 1)
    row <- seq_along(level)
    weight * log(at[cbind(row, level + 1)] - at[cbind(row, level)])
  }
  sums <- rowsum(numDeriv::jacobian(rows_at, coef(fit)), cluster)
  nrow(sums) / (nrow(sums) - 1) * vcov(fit) %*% crossprod(sums) %*% vcov(fit)
}

housing$cluster <- (seq_len(nrow(housing)) - 1) %% 13
soup$cluster <- (seq_len(nrow(soup)) - 1) %% 37
one <- rep(1, nrow(wine))
result <- list()
for (link in c("logit", "probit", "cloglog")) {
  plain <- clm(rating ~ temp, nominal = ~ contact, data = wine, link = link, control = tight)
  weighted <- clm(rating ~ temp, nominal = ~ contact, data = wine, weights = weight, link = link,
                  control = tight)
  grouped <- clm(Sat ~ Type + Cont, nominal = ~ Infl, data = housing, weights = Freq, link = link,
                 control = tight)
  sure <- clm(SURENESS ~ DAY + SOUPFREQ, nominal = ~ PRODID, data = soup, link = link,
              control = tight)
  by_judge <- function(fit, w) {
    clustered(fit, link, wine, ~ temp, ~ contact, wine$rating, w, wine$judge)
  }
  by_row <- clustered(grouped, link, housing, ~ Type + Cont, ~ Infl, housing$Sat, housing$Freq,
                      housing$cluster)
  by_answer <- clustered(sure, link, soup, ~ DAY + SOUPFREQ, ~ PRODID, soup$SURENESS, 1,
                         soup$cluster)
  result$freed[[link]] <- list(
    wine = freed_record(plain, "contactyes", by_judge(plain, one)),
    wine_weighted = freed_record(weighted, "contactyes", by_judge(weighted, wine$weight)),
    housing = freed_record(grouped, c("InflMedium", "InflHigh"), by_row),
    soup = freed_record(sure, paste0("PRODID", 2:6), by_answer)
  )
  all <- clm(SURENESS ~ DAY + SOUPFREQ + PRODID, data = soup, link = link, control = tight)
  whole <- clm(Sat ~ Infl + Type + Cont, data = housing, weights = Freq, link = link,
               control = tight)
  short <- function(record) record[setdiff(names(record), c("cov", "cluster_cov"))]
  result$soup[[link]] <- short(clm_record(all, soup$cluster))
  result$housing[[link]] <- short(clm_record(whole, housing$cluster))
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
write_fixture(result, "proportional")
