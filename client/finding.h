// Finding: one thing that "blobctl doctor" looked at, and what it thinks of it.
#pragma once

#include <string>
#include <vector>

namespace blobd::client {

struct Finding {
  enum class Verdict { kOk, kWarning, kProblem };

  Verdict verdict = Verdict::kOk;
  std::string check;  // what was looked at, one word that stays: "socket"
  std::string said;   // what was found, in one sentence without a full stop
  std::string next;   // what to do about it; empty: nothing
};

using Findings = std::vector<Finding>;

inline Finding Well(std::string check, std::string said, std::string next = "") {
  return {Finding::Verdict::kOk, std::move(check), std::move(said), std::move(next)};
}
inline Finding Warning(std::string check, std::string said, std::string next) {
  return {Finding::Verdict::kWarning, std::move(check), std::move(said), std::move(next)};
}
inline Finding Problem(std::string check, std::string said, std::string next) {
  return {Finding::Verdict::kProblem, std::move(check), std::move(said), std::move(next)};
}

}  // namespace blobd::client
