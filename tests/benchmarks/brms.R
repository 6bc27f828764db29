# Seconds of sampling by brms, all chains on one core with tuning, and the bulk effective size of
# the headline gap: on people or on distinct rows with counts. Run from the repository root.
arguments <- commandArgs(trailingOnly = TRUE)
sink(stderr())
data_dir <- "tests/r/data"
source("tests/r/hierarchical_brms.R")
people <- read_people()
counted <- arguments[1] == "cells"
compiled <- brms_compiled(if (counted) distinct(people) else people, counted)
fit <- brms_sampled(compiled, as.integer(arguments[2]), as.integer(arguments[3]),
                    as.numeric(arguments[4]), seed = 1)
sink()
cat(core_seconds(fit$fit), posterior::ess_bulk(weighted_gap(brms_draws(fit), people)))
