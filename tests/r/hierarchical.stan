// The whole hierarchical model, person by person, members first. Thresholds are Stan's own ordered
// vector, so that no Jacobian is written here.
data {
  int<lower=1> n_member;
  int<lower=1> n_comparison;
  int<lower=3> n_levels;
  int<lower=2> n_region;
  int<lower=2> n_age;
  int<lower=2> n_sex;
  int<lower=1> n_zone;
  int<lower=1, upper=n_levels> y[n_member + n_comparison];
  int<lower=1, upper=n_region> region[n_member + n_comparison];
  int<lower=1, upper=n_age> age[n_member + n_comparison];
  int<lower=1, upper=n_sex> sex[n_member + n_comparison];
  int<lower=1, upper=n_zone> zone[n_member + n_comparison];
  // Orthonormal columns, each orthogonal to a constant.
  matrix[n_region, n_region - 1] region_basis;
  matrix[n_age, n_age - 1] age_basis;
  matrix[n_sex, n_sex - 1] sex_basis;
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
  real<lower=0> sd_gap;
  real<lower=0> sd_age_band;
  real<lower=0> sd_sex;
  real<lower=0> sd_zone;
  real<lower=0> sd_zone_gap;
  vector[n_region - 1] raw_region;
  vector[n_region - 1] raw_gap;
  vector[n_age - 1] raw_age;
  vector[n_sex - 1] raw_sex;
  vector[n_zone] raw_zone;
  vector[n_zone] raw_zone_gap;
}
transformed parameters {
  vector[n_region] region_level = sd_region * (region_basis * raw_region);
  vector[n_region] gap = sd_gap * (region_basis * raw_gap);
  vector[n_age] age_level = sd_age_band * (age_basis * raw_age);
  vector[n_sex] sex_level = sd_sex * (sex_basis * raw_sex);
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
}
model {
  vector[n_zone] zone_level = sd_zone * raw_zone;
  vector[n_zone] zone_gap = sd_zone_gap * raw_zone_gap;
  vector[n] eta = region_level[region] + age_level[age] + sex_level[sex] + zone_level[zone]
                  + m .* (beta + gap[region] + zone_gap[zone]);
  head(y, n_member) ~ ordered_logistic(head(eta, n_member), moved[2]);
  tail(y, n_comparison) ~ ordered_logistic(tail(eta, n_comparison), moved[1]);
  beta ~ normal(0, 1);
  thresholds ~ logistic(0, 1);
  shift ~ normal(0, 0.5);
  sd_region ~ normal(0, 0.5);
  sd_gap ~ normal(0, 0.5);
  sd_age_band ~ normal(0, 0.5);
  sd_sex ~ normal(0, 0.5);
  sd_zone ~ normal(0, 0.5);
  sd_zone_gap ~ normal(0, 0.5);
  raw_region ~ std_normal();
  raw_gap ~ std_normal();
  raw_age ~ std_normal();
  raw_sex ~ std_normal();
  raw_zone ~ std_normal();
  raw_zone_gap ~ std_normal();
}
