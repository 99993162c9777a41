// describe: one line for people per event and effect, for the log of a failing history.
#pragma once

#include <string>

#include "schedule/effect.h"
#include "schedule/event.h"

namespace blobd::sim {

std::string Describe(const schedule::Event& event);
std::string Describe(const schedule::Effect& effect);

}  // namespace blobd::sim
