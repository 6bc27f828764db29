# Bias-reduced logits and probits (Firth; Kosmidis and Firth): wine (72 ratings) and housing
# (grouped, 1,681 tenants).
source("tests/r/common.R")
library(brglm2)

wine <- read.csv(file.path(data_dir, "wine.csv"), stringsAsFactors = TRUE)
wine$above <- as.integer(factor(wine$rating)) >= 2
housing <- read.csv(file.path(data_dir, "housing.csv"))
housing$Infl <- factor(housing$Infl, c("Low", "Medium", "High"))
housing$Type <- factor(housing$Type, c("Tower", "Apartment", "Atrium", "Terrace"))
housing$Cont <- factor(housing$Cont, c("Low", "High"))
housing$high <- housing$Sat == "High"

reduced <- function(formula, data, weight = rep(1, nrow(data)), link = "logit") {
  data$w <- weight
  fit <- glm(formula, family = binomial(link), data = data, weights = w, method = "brglmFit",
             type = "AS_mean", control = brglmControl(epsilon = 1e-13, maxit = 1000))
  list(coefficients = unname(coef(fit)), std_errors = unname(sqrt(diag(vcov(fit)))))
}
result <- list()
for (link in c("logit", "probit")) {
  result[[link]] <- list(
    wine = reduced(above ~ temp + contact, wine, link = link),
    housing = reduced(high ~ Infl + Type + Cont, housing, housing$Freq, link = link)
  )
}
write_fixture(result, "reduced")
