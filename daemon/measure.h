// Measure: asks everybody who knows something that monitoring is told.
//
// Thread:    the control loop; answers there, once, later.
// Ownership: what is asked outlives the answer.
#pragma once

#include "base/task.h"
#include "daemon/metrics_text.h"
#include "engine/engine.h"
#include "engine/upload_table.h"
#include "store/blob_store.h"

namespace blobd::daemon {

struct MeasureDeps {
  engine::Engine& engine;
  engine::UploadTable& uploads;
  const store::BlobStore& store;
};
// `measured`: what is known before anybody is asked. Nobody is who may wait for the disk.
void Measure(const MeasureDeps& deps, Measured measured, UniqueFunction<void(Measured)> done);

}  // namespace blobd::daemon
