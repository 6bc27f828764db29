# Before and after matching on lalonde: MatchIt's means and people matched, and, with its weights,
# counts by level and standard deviations of the people themselves (divided by their number).
source("tests/r/common.R")

lalonde <- read.csv(file.path(data_dir, "lalonde.csv"))
fit <- MatchIt::matchit(treat ~ race + married + educ, data = lalonde, method = "exact")
found <- summary(fit, standardize = FALSE, addlvariables = lalonde["age"])
columns <- c("Means Treated", "Means Control")

sd_of <- function(side, weight) {
  x <- lalonde$age[side]
  w <- weight[side]
  sqrt(weighted.mean((x - weighted.mean(x, w))^2, w))
}
member <- lalonde$treat == 1
kept <- fit$weights > 0
ones <- rep(1, nrow(lalonde))
races <- c("black", "hispan", "white")
count <- function(keep) unname(c(table(factor(lalonde$race[keep], races))))
write_fixture(list(
  version = as.character(packageVersion("MatchIt")),
  age = list(
    before = unname(found$sum.all["age", columns]),
    after = unname(found$sum.matched["age", columns]),
    sd_before = c(sd_of(member, ones), sd_of(!member, ones)),
    sd_after = c(sd_of(member, fit$weights), sd_of(!member, fit$weights))
  ),
  race = list(
    before = unname(found$sum.all[paste0("race", races), columns]),
    after = unname(found$sum.matched[paste0("race", races), columns]),
    counts = rbind(count(member), count(member & kept), count(!member), count(!member & kept))
  ),
  people = list(all = unname(found$nn["All", 2:1]), matched = unname(found$nn["Matched", 2:1]))
), "balance")
