# Shares of the example survey's members beside outside ones: as they are, each less the share of
# its region, and raked to margins. survey::svymean linearises over zones with the factor of CR1.
source("tests/r/common.R")

people <- read.csv(file.path(data_dir, "example.csv"))
people <- people[people$member == 1, ]
people$top <- as.numeric(people$ses_class %in% c("A", "B"))
outside <- c(Center = .068, East = .0396, Lima = .2589, North = .0761, South = .1283)
people$less <- people$top - outside[people$region]
design <- survey::svydesign(ids = ~zone, weights = ~1, data = people)

margins <- list(
  data.frame(sex = c("male", "female"), Freq = nrow(people) * c(.45, .55)),
  data.frame(region = names(outside), Freq = nrow(people) * c(.1, .15, .35, .2, .2))
)
raked <- survey::rake(design, list(~sex, ~region), margins,
                      control = list(maxit = 500, epsilon = 1e-13, verbose = FALSE))
# The variance of raked shares is that of residuals on the margins, with the raked weights in both
# the regression and the mean (Deville & Sarndal 1992, 3.4). survey itself takes out one margin after
# the other, which differs by 0.2 percent here.
people$w <- weights(raked)
people$residual <- residuals(lm(top ~ sex + region, data = people, weights = w))
with_weights <- survey::svydesign(ids = ~zone, weights = ~w, data = people)
record <- function(found) {
  list(share = unname(coef(found)), std_error = c(survey::SE(found)))
}
write_fixture(list(
  version = as.character(packageVersion("survey")),
  plain = record(survey::svymean(~top, design)),
  by_region = record(survey::svymean(~less, design)),
  raked = list(share = unname(coef(survey::svymean(~top, raked))),
               std_error = c(survey::SE(survey::svymean(~residual, with_weights))),
               std_error_of_survey = c(survey::SE(survey::svymean(~top, raked))))
), "benchmark")
