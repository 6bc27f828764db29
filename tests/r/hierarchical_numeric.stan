// The hierarchical model without zones and with slopes of numeric covariates, person by person,
// members first. Thresholds are Stan's own ordered vector, so that no Jacobian is written here.
data {
  int<lower=1> n_member;
  int<lower=1> n_comparison;
  int<lower=3> n_levels;
  int<lower=2> n_region;
  int<lower=1> n_slope;
  int<lower=1, upper=n_levels> y[n_member + n_comparison];
  int<lower=1, upper=n_region> region[n_member + n_comparison];
  // Standardised over all people.
  matrix[n_member + n_comparison, n_slope] columns;
  // Orthonormal columns, each orthogonal to a constant.
  matrix[n_region, n_region - 1] region_basis;
}
transformed data {
  int n = n_member + n_comparison;
  vector[n] m = append_row(rep_vector(0.5, n_member), rep_vector(-0.5, n_comparison));
}
parameters {
  real beta;
  ordered[n_levels - 1] thresholds;
  vector[n_levels - 2] shift;
  real<lower=0> sd_region;
  vector[n_region - 1] raw_region;
  real<lower=0> sd_gap;
  vector[n_region - 1] raw_gap;
  vector[n_slope] slope;
}
model {
  vector[n_region] region_level = sd_region * (region_basis * raw_region);
  vector[n_region] gap = sd_gap * (region_basis * raw_gap);
  vector[n] eta = region_level[region] + columns * slope + m .* (beta + gap[region]);
  // Of the comparison group and of members: the distances between thresholds are multiplied by
  // exp(shift * m), the mean of the thresholds stays.
  vector[n_levels - 1] moved[2];
  for (side in 1:2) {
    vector[n_levels - 1] ladder;
    ladder[1] = 0;
    for (k in 2:(n_levels - 1)) {
      ladder[k] = ladder[k - 1] + (thresholds[k] - thresholds[k - 1])
                  * exp(shift[k - 1] * (side - 1.5));
    }
    moved[side] = ladder - mean(ladder) + mean(thresholds);
  }
  head(y, n_member) ~ ordered_logistic(head(eta, n_member), moved[2]);
  tail(y, n_comparison) ~ ordered_logistic(tail(eta, n_comparison), moved[1]);
  beta ~ normal(0, 1);
  thresholds ~ logistic(0, 1);
  shift ~ normal(0, 0.5);
  slope ~ normal(0, 0.5);
  sd_region ~ normal(0, 0.5);
  sd_gap ~ normal(0, 0.5);
  raw_region ~ std_normal();
  raw_gap ~ std_normal();
}
