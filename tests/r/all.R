# Every fixture that needs no file from outside, in order.
for (script in c("data", "ordinal", "binary", "conditional", "linear", "proportional", "reduced",
                 "covariance", "matching", "survey", "shares", "benchmark", "population", "tipping", "borrow",
                 "retrodesign", "rosenbaum", "robustness", "control", "example",
                 "phone", "missing", "linked", "multiverse", "printed")) {
  source(file.path("tests/r", paste0(script, ".R")), local = new.env())
}
