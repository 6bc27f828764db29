// Departments nested in regions, person by person: answers of three levels, sex, the logit, one
// number known of each department. A department in which nobody was asked has its own parameters.
// Written apart from coopgap.bayes: its own parametrisation, with levels drawn freely.
data {
  int<lower=1> n;
  int<lower=3> n_levels;
  int<lower=2> n_region;
  int<lower=2> n_department;
  int<lower=1, upper=n_levels> y[n];
  vector[n] m;                                       // +1/2 for members, -1/2 for the others
  vector[n] female;
  int<lower=1, upper=n_department> department[n];
  int<lower=1, upper=n_region> region_of[n_department];
  vector[n_department] z;                            // mean 0 and SD 1 over departments
  matrix[n_region, n_region - 1] region_basis;       // orthonormal, each column sums to zero
}
parameters {
  real beta;
  ordered[n_levels - 1] middle;                      // thresholds between the groups
  vector[n_levels - 2] shift;                        // of log distances, by membership
  real<lower=0> sd_region;
  real<lower=0> sd_gap;
  real<lower=0> sd_sex;
  real<lower=0> sd_department;
  real<lower=0> sd_department_gap;
  vector[n_region - 1] region_free;
  vector[n_region - 1] gap_free;
  real sex_free;
  vector[n_department] department_free;
  vector[n_department] department_gap_free;
  real area;
  real area_gap;
}
transformed parameters {
  vector[n_region] region = sd_region * region_basis * region_free;
  vector[n_region] gap = sd_gap * region_basis * gap_free;
  // Two levels that sum to zero: minus and plus one over the root of two.
  real female_less_male = sd_sex * sex_free * sqrt(2);
  vector[n_department] level = region[region_of] + sd_department * department_free + area * z;
  vector[n_department] department_gap =
    beta + gap[region_of] + sd_department_gap * department_gap_free + area_gap * z;
  vector[n_levels - 1] cuts[2];
  for (side in 1:2) {
    vector[n_levels - 1] ladder = rep_vector(0, n_levels - 1);
    for (k in 2:(n_levels - 1)) {
      ladder[k] = ladder[k - 1]
        + exp(log(middle[k] - middle[k - 1]) + shift[k - 1] * (side - 1.5));
    }
    cuts[side] = ladder - mean(ladder) + mean(middle);
  }
}
model {
  beta ~ normal(0, 1);
  middle ~ logistic(0, 1);
  shift ~ normal(0, 0.5);
  sd_region ~ normal(0, 0.5);
  sd_gap ~ normal(0, 0.5);
  sd_sex ~ normal(0, 0.5);
  sd_department ~ normal(0, 0.5);
  sd_department_gap ~ normal(0, 0.5);
  region_free ~ std_normal();
  gap_free ~ std_normal();
  sex_free ~ std_normal();
  department_free ~ std_normal();
  department_gap_free ~ std_normal();
  area ~ normal(0, 0.5);
  area_gap ~ normal(0, 0.5);
  for (i in 1:n) {
    real eta = level[department[i]] + female_less_male * (female[i] - 0.5)
      + department_gap[department[i]] * m[i];
    y[i] ~ ordered_logistic(eta, cuts[m[i] > 0 ? 2 : 1]);
  }
}
