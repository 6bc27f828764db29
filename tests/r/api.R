# Schools of California from the package survey (GPL-2 or GPL-3): its samples `apistrat`, `apiclus1`
# and `apiclus2` of the Academic Performance Index of 1999 and 2000, published by the California
# Department of Education. Only the columns needed, with replicate weights made here.
source("tests/r/common.R")
utils::data("api", package = "survey", envir = environment())
set.seed(20200131)

# A school is a member where it got an award; its level is that of its index in 2000.
schools <- function(sample, design) {
  cuts <- c(-Inf, 560, 650, 740, Inf)
  frame <- data.frame(
    school = sample$snum, member = as.integer(sample$awards == "Yes"),
    level = as.integer(cut(sample$api00, cuts, right = FALSE)),
    qualified = as.integer(sample$full >= 90), stype = as.character(sample$stype),
    poor = as.character(cut(sample$meals, c(-Inf, 30, 60, Inf), c("low", "middle", "high"))),
    domain = as.integer(sample$mobility < 17), weight = sample$pw
  )
  cbind(frame, design)
}
replicated <- function(design, prefix, ...) {
  made <- survey::as.svrepdesign(design, compress = FALSE, ...)
  columns <- as.data.frame(unclass(weights(made, "analysis")))
  setNames(columns, sprintf("%s%02d", prefix, seq_along(columns)))
}

# Ten groups of schools in each stratum, for a jackknife of groups; `lonely` are strata of which one
# has one school.
place <- ave(seq_len(nrow(apistrat)), apistrat$stype, FUN = seq_along)
apistrat$group <- paste0(apistrat$stype, place %% 10)
grouped <- survey::svydesign(~group, strata = ~stype, weights = ~pw, data = apistrat)
stratified <- schools(apistrat, data.frame(
  fpc = apistrat$fpc, group = apistrat$group,
  lonely = ifelse(apistrat$stype == "H" & place == 1, "one", as.character(apistrat$stype))
))
write_data(cbind(
  stratified, replicated(grouped, "jkn", type = "JKn"),
  replicated(grouped, "boot", type = "subbootstrap", replicates = 40)
), "apistrat")

one_stage <- survey::svydesign(~dnum, weights = ~pw, data = apiclus1)
districts <- schools(apiclus1, data.frame(district = apiclus1$dnum, fpc = apiclus1$fpc))
write_data(cbind(districts, replicated(one_stage, "jk", type = "JK1")), "apiclus1")

# Two districts in each of twenty strata, for balanced replicates, in the order of their number;
# with the last district by itself two strata have one.
order_of <- match(apiclus2$dnum, sort(unique(apiclus2$dnum)))
apiclus2$pair <- (order_of + 1) %/% 2
paired <- survey::svydesign(~dnum, strata = ~pair, weights = ~pw, data = apiclus2)
two_stages <- schools(apiclus2, data.frame(
  district = apiclus2$dnum, fpc1 = apiclus2$fpc1, fpc2 = apiclus2$fpc2, pair = apiclus2$pair,
  lonely = (order_of + 1) %/% 2 + (order_of == 40)
))
write_data(cbind(
  two_stages, replicated(paired, "brr", type = "BRR"),
  replicated(paired, "fay", type = "Fay", fay.rho = 0.3)
), "apiclus2")
