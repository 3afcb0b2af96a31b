// A visitor looks at a lamp; what are they about to do? Run: node shop.js [HOST:PORT]
// Stubs and libraries are those that `make stubs` has put into build/stubs/node.
"use strict";

const { createRequire } = require("node:module");
const { randomUUID } = require("node:crypto");
const path = require("node:path");

const stubs = process.env.PRESAGE_STUBS || path.join(__dirname, "../../../build/stubs/node");
const requireStub = createRequire(path.join(stubs, "package.json"));
const grpc = requireStub("@grpc/grpc-js");
const { EventType } = requireStub("./presage/v1/event");
const { ScoringServiceClient } = requireStub("./presage/v1/scoring_service.grpc-client");

// What the Python client does by itself: repeat calls that no server has processed, and spread them over all addresses.
const serviceConfig = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: "presage.v1.ScoringService" }],
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: "0.005s",
        maxBackoff: "0.050s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
      },
    },
  ],
  retryThrottling: { maxTokens: 100, tokenRatio: 0.1 },
};

const address = process.argv[2] || "localhost:50051";
const client = new ScoringServiceClient(address, grpc.credentials.createInsecure(), {
  "grpc.service_config": JSON.stringify(serviceConfig),
});

// One call, with a deadline and an id under which both sides can find it.
function call(method, request, timeoutMs = 250) {
  const metadata = new grpc.Metadata();
  metadata.set("x-request-id", randomUUID());
  if (process.env.PRESAGE_TOKEN) metadata.set("authorization", `Bearer ${process.env.PRESAGE_TOKEN}`);
  return new Promise((resolve, reject) => {
    const done = (error, response) => (error ? reject(error) : resolve(response));
    client[method](request, metadata, { deadline: Date.now() + timeoutMs }, done);
  });
}

async function main() {
  const timeoutMs = Number(process.env.TIMEOUT_MS || 250);
  const event = {
    eventId: randomUUID(), // sent again under the same id, it counts once
    type: EventType.VIEW_ITEM,
    userId: "ada",
    items: [{ itemId: "lamp-7", price: 39.9, category: "lamps", brand: "", position: 0, rankId: "", propensity: 0 }],
    sessionId: "",
    eventTimeUnixMicros: 0, // now, by the server's clock
    country: "GB",
    device: 0,
    orderId: "",
    currency: "",
    numbers: {},
    labels: { channel: "email" },
  };
  const request = { event, score: true, model: "", includeFeatures: true, includeTimings: false };
  const tracked = await call("trackEvent", request, timeoutMs);
  const again = await call("trackEvent", request, timeoutMs);
  console.log(`duplicate: ${tracked.duplicate}, ${again.duplicate}`);

  const { prediction } = await call(
    "score",
    { userId: "ada", sessionId: "", model: "", asOfUnixMicros: 0, includeFeatures: false, includeTimings: false },
    timeoutMs,
  );
  console.log(`score: ${prediction.score.toFixed(4)} by ${prediction.model} ${prediction.modelVersion}`);
  if (prediction.degraded || prediction.coldStart) console.log("nothing is known of this visitor");
}

main()
  .catch((error) => {
    console.error(`presage: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(() => client.close());
