# Differences of groups' gaps: membership times group in a saturated lm of the example survey's
# class C or higher, weighted, by survey::svycontrast, sandwich and clubSandwich; and pairs of one
# member and one other a zone, of which a gap is a mean over zones: t.test and oneway.test (Welch).
source("tests/r/common.R")
suppressMessages(library(clubSandwich))

people <- read.csv(file.path(data_dir, "example.csv"))
people$w <- 0.5 + ((seq_len(nrow(people)) - 1) %% 7) / 4
people$y <- as.numeric(people$ses_class %in% c("A", "B", "C"))
people$sex <- factor(people$sex, levels = c("male", "female"))
bands <- c("young", "middle", "old")
people$band <- cut(people$age, c(0, 35, 50, 200), right = FALSE, labels = bands)

# The gaps of each two levels, later less earlier, and Wald's test as Korn and Graubard adjust it.
compared <- function(group) {
  people$group <- people[[group]]
  design <- survey::svydesign(ids = ~zone, weights = ~w, data = people)
  means <- survey::svyby(~y, ~member + group, design, survey::svymean, covmat = TRUE)
  levels <- levels(people$group)
  cell <- function(level) {
    sign <- ifelse(means$member == 1, 1, -1) * (means$group == level)
    names(sign) <- names(coef(means))
    sign
  }
  pairs <- combn(levels, 2)
  found <- apply(pairs, 2, function(p) {
    one <- survey::svycontrast(means, list(d = cell(p[2]) - cell(p[1])))
    c(coef(one), survey::SE(one))
  })
  fit <- lm(y ~ member * group, data = people, weights = w)
  cov <- sandwich::vcovCL(fit, ~zone, type = "HC0", cadjust = TRUE)
  terms <- grep("member:", names(coef(fit)))
  q <- length(terms)
  d <- length(unique(people$zone)) - 1
  form <- drop(coef(fit)[terms] %*% solve(cov[terms, terms], coef(fit)[terms]))
  f <- form * (d - q + 1) / (d * q)
  list(second = pairs[1, ], first = pairs[2, ], estimate = found[1, ], std_error = found[2, ],
       slopes = unname(coef(fit)[terms]), slope_errors = unname(sqrt(diag(cov)[terms])),
       statistic = f, df = q, df_error = d - q + 1,
       p_value = pf(f, q, d - q + 1, lower.tail = FALSE),
       zones = length(unique(people$zone)))
}

few <- people[people$zone %in% sort(unique(people$zone))[1:30], ]
line <- lm(y ~ member * sex, data = few)
cr2 <- vcovCR(line, few$zone, "CR2")
at <- "member:sexfemale"

zones <- data.frame(zone = 1:45, area = rep(c("a", "b", "c"), c(9, 14, 22)))
zones$member <- as.numeric((zones$zone * 7) %% 5 < 3)
zones$other <- as.numeric((zones$zone * 11) %% 9 < c(a = 2, b = 4, c = 6)[zones$area])
zones$gap <- zones$member - zones$other
pairs <- apply(combn(c("a", "b", "c"), 2), 2, function(p) {
  test <- t.test(zones$gap[zones$area == p[2]], zones$gap[zones$area == p[1]])
  c(diff(rev(test$estimate)), test$stderr, test$parameter, test$p.value, test$conf.int)
})
welch <- oneway.test(gap ~ area, data = zones)
write_fixture(list(
  version = as.character(packageVersion("survey")),
  sex = compared("sex"), band = compared("band"),
  few = list(zones = sort(unique(few$zone)), estimate = unname(coef(line)[at]),
             std_error = unname(sqrt(cr2[at, at]))),
  pairs = list(zones = as.list(zones[c("area", "member", "other")]), rows = unname(t(pairs)),
               statistic = unname(welch$statistic), df = unname(welch$parameter),
               p_value = welch$p.value)
), "groups")
