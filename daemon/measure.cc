#include "daemon/measure.h"

#include <memory>
#include <utility>

namespace blobd::daemon {

void Measure(const MeasureDeps& deps, Measured measured, UniqueFunction<void(Measured)> done) {
  auto all = std::make_shared<Measured>(std::move(measured));
  all->engine = deps.engine.Metrics();
  all->limits = deps.engine.ListLimits();
  deps.engine.ViewLookup(
      [deps, all, done = std::move(done)](std::vector<engine::LookupServiceView> services) mutable {
        all->lookup = std::move(services);
        deps.uploads.List([deps, all, done = std::move(done)](engine::UploadsView uploads) mutable {
          all->uploads = std::move(uploads);
          all->store = deps.store.Counts();
          done(std::move(*all));
        });
      });
}

}  // namespace blobd::daemon
