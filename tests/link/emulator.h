// Emulator: any number of links in one thread. It carries packets between the devices of each link
// through a LinkModel per direction, and carries out commands.
//
// Thread:   the one that called Run.
// Accuracy: nothing is early. On a link at rest a packet is read when it comes and written when it
//           is due; on a busy one each of the two may be kNap late. Besides that, as far as the
//           machine lets this thread run. At rest the thread sleeps.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "command.h"
#include "link_model.h"
#include "tun_device.h"

namespace blobd::link {

// After packets were read, the thread looks for more only this much later: to wake up costs more
// than to carry a packet, and on a busy link most wake-ups would be for one packet.
inline constexpr Duration kNap = microseconds(100);

class Emulator {
 public:
  // Each direction throws its own dice, from `seed` and the names of link and direction: another
  // link changes nothing for the ones that are there.
  explicit Emulator(uint64_t seed);

  // Carries out one command and returns its answer without "ok". A failed one has changed nothing.
  StatusOr<std::string> Execute(const Command& command);
  bool has_quit() const { return quit_; }

  // Moves packets until `deadline` has passed, or `control_fd` can be read, at once if it already
  // can; -1 for none. What was sent before has been read when it returns, and what is due was
  // delivered, so that a command comes after it.
  enum class Wake { kDeadline, kControl };
  Wake RunUntil(Instant deadline, int control_fd);

 private:
  struct Direction {
    explicit Direction(uint64_t seed) : model(seed) {}
    LinkModel model;
    uint64_t refused = 0;  // packets the receiving device did not take
  };
  struct Link {
    TunDevice a;
    TunDevice b;
    Direction a_to_b;
    Direction b_to_a;
  };

  Status Make(const LinkSpec& spec);
  StatusOr<std::string> Stats(const std::string& name);
  StatusOr<Link*> Find(const std::string& name);
  // Takes what `from` has into `direction`, but not more than a batch. Returns how many packets.
  int ReadBatch(TunDevice& from, Direction& direction);
  // Takes what all devices have now.
  void ReadAll();
  // Writes what is due. Returns whether there was any.
  bool Deliver(Instant now);
  Instant NextDue() const;

  const uint64_t seed_;
  bool quit_ = false;
  std::map<std::string, std::unique_ptr<Link>> links_;
  Bytes buffer_;
};

}  // namespace blobd::link
