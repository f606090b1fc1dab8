# SPDX-License-Identifier: Apache-2.0
"""The plan as later rooms read it: plan.json for all of them, kept.json for the search of a wrong op."""

from __future__ import annotations

from dataclasses import asdict

from ..alignment import ALIGNMENT
from ..ir.graph import ITEM_BYTES, ACALSimIR, ACALSimOp
from ..ir.kernel import Kernel
from ..machine.machine import Machine
from .plan import Plan


def plan_json(ir: ACALSimIR, plan: Plan, machine: Machine) -> dict:
    """The plan as later rooms read it: what the placement check holds the ELF to, and what lies where."""
    return {
        "graph": ir.name,
        "elf": {"class": 64, "float_abi": "double", "rvc": True},
        "stack_bytes": machine.stack_bytes,
        "symbols": _symbols(plan),
        "windows": [{"name": d.name, "base": d.base, "size_bytes": d.size_bytes} for d in machine.devices],
        "ops": [_op_row(ir, plan, index, kernel) for index, kernel in enumerate(plan.kernels)],
        "inputs": [_tensor_row(plan, name) for name in ir.inputs],
        "outputs": [_tensor_row(plan, name) for name in ir.outputs],
    }


def kept_json(plan: Plan) -> dict:
    """Where each op of a plan made with `keep_all` left its result in the output block; strides in elements."""
    rows = []
    for kernel in plan.kernels:
        for op in [op for op in kernel.ops if op.outputs[0] in kernel.results]:
            name = op.outputs[0]
            access = plan.access[name]
            desc, place = plan.ir.tensors[name], plan.places[access.storage]
            rows.append(
                {
                    "tensor": name,
                    "op": op.name,
                    "type": op.op_type.name,
                    "source": op.source,
                    "aten": list(op.aten),
                    "symbol": f"op_{kernel.name}",
                    "dtype": desc.dtype,
                    "shape": list(desc.shape),
                    "strides": list(access.strides),
                    "offset": place.offset + access.offset * ITEM_BYTES[desc.dtype],
                }
            )
    return {"tensors": rows}


def _symbols(plan: Plan) -> list[dict]:
    own = [(p.symbol, p.section, p.size_bytes) for p in plan.places.values() if p.section == ".weights"]
    shared = {p.symbol: p.section for p in plan.places.values() if p.section != ".weights"}
    rows = own + [(symbol, section, plan.blocks[section]) for symbol, section in shared.items()]
    return [
        {"name": symbol, "section": section, "size_bytes": size, "alignment": ALIGNMENT}
        for symbol, section, size in rows
        if size
    ]


def _op_row(ir: ACALSimIR, plan: Plan, index: int, kernel: Kernel) -> dict:
    """One function of the program: named after its anchor, with the ops fused into it."""
    op, offloaded = kernel.anchor, plan.offloaded.get(kernel.name)
    return {
        "index": index,
        "name": op.name,
        "symbol": f"op_{op.name}",
        "type": op.op_type.name,
        "placed_on": offloaded.placed_on if offloaded else "cpu",
        **({"wait_symbol": f"op_{op.name}_wait"} if op.name in plan.teams.side_by_side else {}),
        "reason": kernel.reason,
        **({"tiling": asdict(offloaded.tiling), "device_cycles": offloaded.cycles} if offloaded else {}),
        "macs": sum(kernel.row.count_macs(ir, each) for each in ir.ops if each.name == op.name),
        "source": op.source,
        "aten": list(op.aten),
        "fused": [_fused_row(each) for each in kernel.ops if each is not op],
    }


def _fused_row(op: ACALSimOp) -> dict:
    return {"name": op.name, "type": op.op_type.name, "source": op.source, "aten": list(op.aten)}


def _tensor_row(plan: Plan, name: str) -> dict:
    desc, place = plan.ir.tensors[name], plan.place(name)
    producer = plan.producer.get(name)
    return {
        "name": name,
        "op": producer.name if producer else None,
        "symbol": place.symbol,
        "offset": place.offset,
        "dtype": desc.dtype,
        "shape": list(desc.shape),
    }
