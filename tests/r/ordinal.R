# Cumulative link models: wine (72 ratings, 9 judges) and housing (grouped, 1,681 tenants).
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

result <- list()
for (link in c("logit", "probit", "cloglog")) {
  plain <- clm(rating ~ contact + temp, data = wine, link = link, control = tight)
  weighted <- clm(rating ~ contact + temp, data = wine, weights = weight, link = link,
                  control = tight)
  grouped <- clm(Sat ~ Infl + Type + Cont, data = housing, weights = Freq, link = link,
                 control = tight)
  result[[link]] <- list(
    wine = clm_record(plain, wine$judge),
    wine_weighted = clm_record(weighted, wine$judge),
    housing = clm_record(grouped)
  )
}
x <- cbind(contact = as.numeric(wine$contact == "yes"), temp = as.numeric(wine$temp == "warm"))
for (weight_name in c("wine", "wine_weighted")) {
  w <- if (weight_name == "wine") rep(1, nrow(wine)) else wine$weight
  fit <- clm(rating ~ contact + temp, data = cbind(wine, w = w), weights = w, control = tight)
  result$standardised[[weight_name]] <- list(
    members = standardised(fit, x, x[, 1], w, wine$judge),
    everybody = standardised(fit, x, rep(1, nrow(x)), w, wine$judge)
  )
}
# polr as it comes: it stops when its likelihood no longer moves, some digits short of clm.
short <- MASS::polr(rating ~ contact + temp, data = wine)
result$polr <- list(slopes = unname(coef(short)), thresholds = unname(short$zeta))
write_fixture(result, "ordinal")
