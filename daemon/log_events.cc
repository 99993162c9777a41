#include "daemon/log_events.h"

namespace blobd::daemon {

std::string_view MessageIdOf(engine::LogEvent event) {
  using engine::LogEvent;
  switch (event) {
    case LogEvent::kReady:
      return "e6c9383cd2b5405d9c5d16b73160cd16";
    case LogEvent::kStopping:
      return "1a21e1aa95a84510aae3f914f63c1a3b";
    case LogEvent::kReloaded:
      return "a4677a99de114958843995856cf99a65";
    case LogEvent::kIntentDone:
      return "02b3e9b35c9f403dbd6b092744bb2aa9";
    case LogEvent::kIntentEnded:
      return "123d2ac0269e4b6cabb9b29fc7d0f8af";
    case LogEvent::kProviderBanned:
      return "8a4f7987939b40f08f5cb52797b1def8";
    case LogEvent::kBanLifted:
      return "6a220d81db9b4cdbbca74eee661e7bc2";
    case LogEvent::kLongWait:
      return "4d5718f708814287aac77d1e77d62afa";
    case LogEvent::kDiskTrouble:
      return "541698e1b5e94ff5bf2ec0ee509d7a3a";
    case LogEvent::kDiskWell:
      return "52518a63613b41858259c56f03b43b35";
    case LogEvent::kRotten:
      return "4250600ab66746239dba459df4f0dd52";
    case LogEvent::kRegistryDamaged:
      return "e1cb651f735b4f4d96255a8e3a775bca";
    case LogEvent::kRegistryRecovered:
      return "91b0342ae1ae4428b849b4b178e0cfdf";
  }
  return "";
}

}  // namespace blobd::daemon
