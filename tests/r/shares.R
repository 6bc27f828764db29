# Weighted shares of each group with their logit intervals: survey::svyciprop over zones, with the
# degrees of freedom of all zones. One region of the example survey, where class A is rare.
source("tests/r/common.R")

people <- read.csv(file.path(data_dir, "example.csv"))
people <- people[people$region == "South", ]
people$w <- 0.5 + ((seq_len(nrow(people)) - 1) %% 7) / 4
levels <- c("E", "D", "C", "B", "A")
design <- survey::svydesign(ids = ~zone, weights = ~w, data = people)

record <- function(side, level) {
  group <- subset(design, member == side)
  group$variables$y <- as.numeric(group$variables$ses_class == level)
  found <- survey::svyciprop(~y, group, method = "logit", df = survey::degf(design))
  c(as.numeric(found), attr(found, "ci"), survey::SE(survey::svymean(~y, group)))
}
write_fixture(list(
  version = as.character(packageVersion("survey")), levels = levels, df = survey::degf(design),
  member = t(sapply(levels, record, side = 1)), comparison = t(sapply(levels, record, side = 0))
), "shares")
