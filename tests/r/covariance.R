# Sandwich covariances: clubSandwich CR2 with Satterthwaite degrees of freedom, sandwich vcovCL and
# vcovHC. infert in 24 clusters, lm and logit, plain and weighted.
source("tests/r/common.R")
suppressMessages(library(clubSandwich))
library(sandwich)

infert <- read.csv(file.path(data_dir, "infert.csv"))
infert$w <- 0.5 + ((seq_len(nrow(infert)) - 1) %% 7) / 4
infert$cluster <- infert$parity * 5 + infert$age %% 5
infert$second <- infert$age

record <- function(fit, cluster, cr2) {
  test <- coef_test(fit, vcov = cr2, test = "Satterthwaite")
  list(
    coefficients = unname(coef(fit)),
    CR2 = unname(as.matrix(cr2)), CR2_df = test$df_Satt,
    CR0 = unname(vcovCL(fit, cluster, type = "HC0", cadjust = FALSE)),
    CR1 = unname(vcovCL(fit, cluster, type = "HC0", cadjust = TRUE)),
    CR1S = unname(vcovCL(fit, cluster, type = "HC1", cadjust = TRUE))
  )
}
alone <- function(fit) {
  list(HC0 = unname(vcovHC(fit, "HC0")), HC1 = unname(vcovHC(fit, "HC1")),
       HC3 = unname(vcovHC(fit, "HC3")))
}

form <- case ~ spontaneous + induced + age
result <- list()
for (weighted in c(FALSE, TRUE)) {
  infert$one <- if (weighted) infert$w else rep(1, nrow(infert))
  line <- lm(form, data = infert, weights = one)
  logit <- suppressWarnings(
    glm(form, data = infert, weights = one, family = binomial,
        control = list(epsilon = 1e-15, maxit = 100))
  )
  name <- if (weighted) "weighted" else "plain"
  inverse <- vcovCR(line, infert$cluster, "CR2", inverse_var = TRUE)
  result$lm[[name]] <- c(record(line, infert$cluster, inverse), alone(line))
  cr2 <- vcovCR(logit, infert$cluster, "CR2")
  result$logit[[name]] <- c(record(logit, infert$cluster, cr2), alone(logit))
}
plain <- lm(form, data = infert)
two <- ~ cluster + second
result$two_way <- unname(vcovCL(plain, two, type = "HC0", cadjust = TRUE, multi0 = FALSE))
write_fixture(result, "covariance")
