# Invented people (tests/r/invented.py) without those who give no answer: the gap adjusted for age,
# and matched within strata of region and sex, with and without sampling weights.
source("tests/r/common.R")

people <- subset(read.csv(file.path(data_dir, "invented.csv")), silent == 0)
people$band <- cut(people$age, c(-Inf, 35, 50, 65, Inf), right = FALSE)

# Comparison people get the members' share of each stratum; their weights keep their sum.
in_strata <- function(w) {
  total <- function(side) ave(w * (people$member == side), people$region, people$sex, FUN = sum)
  other <- people$member == 0
  matched <- w * ifelse(other, total(1) / total(0), 1)
  ifelse(other, matched * sum(w[other]) / sum(matched[other]), matched)
}

# A logit's gap, standardised to the members.
gap <- function(weight, sampling) {
  people$weight <- weight
  fit <- suppressWarnings(glm(yes ~ member + band, data = people, weights = weight,
                              family = binomial, control = glm.control(epsilon = 1e-14)))
  at <- function(side) {
    share <- predict(fit, transform(people, member = side), type = "response")
    weighted.mean(share, sampling * people$member)
  }
  at(1) - at(0)
}

ones <- rep(1, nrow(people))
exact <- MatchIt::matchit(member ~ region + sex, data = people, method = "exact")
stopifnot(all.equal(gap(in_strata(ones), ones), gap(exact$weights, ones)))

write_fixture(list(
  n_member = sum(people$member), n_comparison = sum(1 - people$member),
  adjusted = gap(ones, ones), matched = gap(in_strata(ones), ones),
  weighted = gap(in_strata(people$w), people$w),
  oldest_members = mean(people$age[people$member == 1] >= 65)
), "codes")
