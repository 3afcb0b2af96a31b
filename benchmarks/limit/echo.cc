// The floor of the transport: answers Score at once, with a response of the size of a real one. No store, no model.
//
//   echo [--threads N]

#include "serving.h"

int main(int count, char** words) {
  using limit::ScoreCall;
  limit::serve<ScoreCall>(std::stoi(limit::option(count, words, "threads", "1")), 1, [](const std::vector<limit::Call*>& calls) {
    for (limit::Call* call : calls) {
      presage::v1::Prediction& prediction = *static_cast<ScoreCall*>(call)->response.mutable_prediction();
      prediction.set_score(0.0831724537);
      prediction.set_model("conversion");
      prediction.set_model_version("2");
      call->finish();
    }
  });
}
