# SPDX-License-Identifier: Apache-2.0
"""A Modbus TCP field device on pymodbus that a test can look into.

Prints `{"port": N}` when it listens. Reads one command a line on standard input and answers each with one line
of JSON; ends when standard input closes.

    set AREA ADDRESS VALUE...    AREA: coils, discrete, holding, input
    get AREA ADDRESS COUNT
    log FROM                     writes received since index FROM: [{"at": seconds, "area", "address", "values"}]
    vanish                       close the listener and every connection
    return                       listen again on the same port
"""

import asyncio
import json
import sys
import time

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

SIZE = 256
AREA_OF_FUNCTION = {
    1: "coils", 5: "coils", 15: "coils",
    2: "discrete",
    3: "holding", 6: "holding", 16: "holding", 22: "holding", 23: "holding",
    4: "input",
}


class Device:
    """The tables, and every write that the master has made."""

    def __init__(self):
        self.tables = {name: [0] * SIZE for name in ("coils", "discrete", "holding", "input")}
        self.writes = []
        self.server = None
        self.port = 0

    async def on_request(self, function, start, address, count, registers, set_values):
        table = self.tables[AREA_OF_FUNCTION[function]]
        if set_values is not None:
            values = [int(value) for value in set_values]
            table[address:address + len(values)] = values
            self.writes.append({
                "at": time.monotonic(),
                "area": AREA_OF_FUNCTION[function],
                "address": address,
                "values": values,
            })
        # pymodbus keeps 16 bits to a register, the lowest first, and counts registers here.
        if AREA_OF_FUNCTION[function] in ("coils", "discrete"):
            for register in range(address // 16, address // 16 + count):
                bits = table[register * 16:register * 16 + 16]
                registers[register - start] = sum(bit << place for place, bit in enumerate(bits))
        else:
            registers[address - start:address - start + count] = table[address:address + count]

    async def listen(self):
        bits = lambda: [SimData(0, count=SIZE, values=False, datatype=DataType.BITS)]
        words = lambda: [SimData(0, count=SIZE, values=0, datatype=DataType.REGISTERS)]
        device = SimDevice(id=1, simdata=(bits(), bits(), words(), words()), action=self.on_request)
        self.server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self.server.serve_forever(background=True)
        self.port = self.server.transport.sockets[0].getsockname()[1]

    async def command(self, words):
        if words[0] == "set":
            area, address, values = words[1], int(words[2]), [int(word) for word in words[3:]]
            self.tables[area][address:address + len(values)] = values
            return {}
        if words[0] == "get":
            address = int(words[2])
            return {"values": self.tables[words[1]][address:address + int(words[3])]}
        if words[0] == "log":
            return {"writes": self.writes[int(words[1]):], "now": time.monotonic()}
        if words[0] == "vanish":
            await self.server.shutdown()
            return {}
        if words[0] == "return":
            await self.listen()
            return {}
        return {"error": f"unknown command {words[0]}"}


async def main():
    device = Device()
    await device.listen()
    print(json.dumps({"port": device.port}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await device.command(line.decode().split())), flush=True)


asyncio.run(main())
