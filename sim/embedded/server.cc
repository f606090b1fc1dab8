// SPDX-License-Identifier: Apache-2.0
#include "embedded/server.hh"

namespace acalsim {

Server::Server(Engine& engine, std::string description, std::function<void()> on_wait)
    : engine_(engine),
      on_wait_(std::move(on_wait)),
      client_(std::move(description), [&engine](GuestRam ram) { engine.map_ram(std::move(ram)); }) {
    if (engine.keeps_spans()) client_.keep_spans(&accesses_);
}

std::string Server::serve(int listener, Recording* recording) {
    client_.accept(listener, on_wait_);
    if (engine_.log) engine_.log(engine_.now(), "QEMUBinary", "Client connected");
    while (!engine_.ended()) {
        const std::optional<Access> access = client_.next_access();
        if (!access) throw left_early(engine_.now(), engine_.transactions());
        const Response response = engine_.access(*access);
        if (recording) recording->add(*access, client_.account(), response);
        client_.respond(response, engine_.ended());
    }
    if (recording) recording->add(engine_.decisions());
    return client_.farewell();
}

}  // namespace acalsim
