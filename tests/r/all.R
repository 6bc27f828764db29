# Every fixture that needs no file from outside, in order.
for (script in c("data", "ordinal", "binary", "conditional", "linear", "proportional", "reduced",
                 "covariance", "matching", "survey", "shares", "benchmark", "population",
                 "tipping", "borrow", "retrodesign", "rosenbaum", "robustness", "control",
                 "example", "vglm", "band", "phone", "missing", "linked", "multiverse", "printed",
                 "numeric", "codes", "groups", "balance", "api", "design")) {
  if (script == "vglm" && !requireNamespace("VGAM", quietly = TRUE)) {
    message("tests/r/fixtures/vglm.json left as it is: VGAM is not installed")
    next
  }
  source(file.path("tests/r", paste0(script, ".R")), local = new.env())
}
