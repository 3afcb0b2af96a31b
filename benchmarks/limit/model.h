// The original model through LightGBM's C API, one row at a time. The wheel has the library without its headers, so what is needed of
// c_api.h stands here.

#pragma once

#include <cmath>
#include <string>

#include "featurize.h"
#include "serving.h"

extern "C" {
using BoosterHandle = void*;
using FastConfigHandle = void*;
const char* LGBM_GetLastError();
int LGBM_BoosterCreateFromModelfile(const char* filename, int* out_num_iterations, BoosterHandle* out);
int LGBM_BoosterGetNumFeature(BoosterHandle handle, int* out_len);
int LGBM_BoosterPredictForMatSingleRowFastInit(BoosterHandle handle, int predict_type, int start_iteration, int num_iteration,
                                               int data_type, int32_t ncol, const char* parameter, FastConfigHandle* out);
int LGBM_BoosterPredictForMatSingleRowFast(FastConfigHandle config, const void* data, int64_t* out_len, double* out_result);
}

namespace limit {

class Model {
 public:
  explicit Model(const std::string& path) {
    constexpr int kRawScore = 1, kFloat32 = 0, kAllIterations = -1;
    BoosterHandle booster = nullptr;
    int iterations = 0, features = 0;
    check(LGBM_BoosterCreateFromModelfile(path.c_str(), &iterations, &booster));
    check(LGBM_BoosterGetNumFeature(booster, &features));
    if (features != static_cast<int>(kFeatures)) fail("the model has " + std::to_string(features) + " features");
    check(LGBM_BoosterPredictForMatSingleRowFastInit(booster, kRawScore, 0, kAllIterations, kFloat32, kFeatures, "num_threads=1",
                                                     &fast_));
  }

  // The probability: the model's margin through the logit link.
  double score(const Vector& vector) const {
    double margin = 0;
    int64_t length = 0;
    check(LGBM_BoosterPredictForMatSingleRowFast(fast_, vector.data(), &length, &margin));
    if (margin >= 0) return 1 / (1 + std::exp(-margin));
    const double odds = std::exp(margin);
    return odds / (1 + odds);
  }

 private:
  static void check(int status) {
    if (status != 0) fail(LGBM_GetLastError());
  }

  FastConfigHandle fast_ = nullptr;
};

}  // namespace limit
