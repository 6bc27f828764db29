# Conditional likelihoods, exact: infert by stratum (1:2 sets), by pooled stratum (several cases a
# set), and wine by judge with one binary copy a cut (blow-up and cluster). Large sets of two kinds
# of people: esoph by age, and the example by region with each person counted 25 times over, whose
# noncentral hypergeometric distributions are summed by hand.
source("tests/r/common.R")
library(survival)

infert <- read.csv(file.path(data_dir, "infert.csv"))
wine <- read.csv(file.path(data_dir, "wine.csv"), stringsAsFactors = TRUE)
tight_cox <- coxph.control(eps = 1e-14, toler.chol = 1e-16, iter.max = 100)
record <- function(fit) {
  list(slopes = unname(coef(fit)), cov = unname(vcov(fit)),
       std_errors = unname(sqrt(diag(vcov(fit)))), log_likelihood = fit$loglik[2])
}

copies <- do.call(rbind, lapply(2:5, function(cut) {
  data.frame(above = as.numeric(wine$rating >= cut), contact = as.numeric(wine$contact == "yes"),
             temp = as.numeric(wine$temp == "warm"), set = paste(wine$judge, cut))
}))

esoph <- read.csv(file.path(data_dir, "esoph.csv"))
drinks <- match(esoph$alcgp, c("0-39g/day", "40-79", "80-119", "120+"))
people <- rbind(data.frame(case = 1, drinks, age = esoph$agegp, n = esoph$ncases),
                data.frame(case = 0, drinks, age = esoph$agegp, n = esoph$ncontrols))
people <- people[rep(seq_len(nrow(people)), people$n), ]
drinkers <- do.call(rbind, lapply(2:4, function(cut) {
  transform(people, above = as.numeric(drinks >= cut), set = paste(age, cut))
}))

example <- read.csv(file.path(data_dir, "example.csv"))
example$class <- match(example$ses_class, c("E", "D", "C", "B", "A"))
sets <- do.call(rbind, lapply(split(example, example$region), function(region) {
  total <- function(kept) 25 * sum(kept)
  do.call(rbind, lapply(2:5, function(cut) data.frame(
    region = region$region[1], members = total(region$member == 1),
    others = total(region$member == 0), above = total(region$class >= cut),
    members_above = total(region$class >= cut & region$member == 1))))
}))
# Of one set: the logarithm of the sum over members above, their mean and their variance.
moments <- function(log_odds, members, others, above) {
  r <- max(0, above - others):min(members, above)
  log_ways <- lchoose(members, r) + lchoose(others, above - r) + r * log_odds
  ways <- exp(log_ways - max(log_ways))
  mean <- sum(ways * r) / sum(ways)
  c(max(log_ways) + log(sum(ways)), mean, sum(ways * (r - mean)^2) / sum(ways))
}
all_moments <- function(log_odds) {
  mapply(moments, log_odds, sets$members, sets$others, sets$above)
}
by_hand <- function() {
  log_odds <- 0
  for (step in 1:50) {
    found <- all_moments(log_odds)
    log_odds <- log_odds + sum(sets$members_above - found[2, ]) / sum(found[3, ])
  }
  found <- all_moments(log_odds)
  scores <- tapply(sets$members_above - found[2, ], sets$region, sum)
  n_regions <- length(scores)
  list(slopes = log_odds, std_errors = 1 / sqrt(sum(found[3, ])),
       log_likelihood = sum(sets$members_above * log_odds - found[1, ]),
       region_std_error = sqrt(n_regions / (n_regions - 1) * sum(scores^2)) / sum(found[3, ]))
}

result <- list(
  infert = record(clogit(case ~ spontaneous + induced + strata(stratum), data = infert,
                         method = "exact", control = tight_cox)),
  infert_pooled = record(clogit(case ~ spontaneous + induced + strata(pooled.stratum),
                                data = infert, method = "exact", control = tight_cox)),
  wine = record(clogit(above ~ contact + temp + strata(set), data = copies, method = "exact",
                       control = tight_cox)),
  esoph = record(clogit(case ~ I(drinks >= 3) + strata(age), data = people, method = "exact",
                        control = tight_cox)),
  esoph_drinks = record(clogit(above ~ case + strata(set), data = drinkers, method = "exact",
                               control = tight_cox)),
  example = by_hand()
)
write_fixture(result, "conditional")
