"""What a program was lowered to: what the delegate took, what it left to the runtime's own kernels, and the memory it plans."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from executorch.exir import ExecutorchProgramManager
from executorch.exir.dialects.edge._ops import EdgeOpOverload
from executorch.exir.lowered_backend_module import LoweredBackendModule
from torch import fx
from torch._ops import OpOverload

_MOST_LISTED = 6
#: Namespace of the arithmetic of dynamic sizes.
_SIZES = "executorch_prim"


@dataclass(frozen=True)
class Delegation:
    """Who runs the operators of a program.

    :param parts: calls of the delegate.
    :param delegated: operators inside them.
    :param left: operators that the runtime's own kernels run, by name, the most frequent first.
    :param planned_bytes: memory planned for activations.
    """

    parts: int
    delegated: int
    left: dict[str, int]
    planned_bytes: int

    def __str__(self) -> str:
        names = [f"{name} {count}" for name, count in self.left.items()]
        if len(names) > _MOST_LISTED:
            names[_MOST_LISTED:] = [f"{len(names) - _MOST_LISTED} more kinds"]
        counts = f"XNNPACK runs {self.delegated} operators in {self.parts} parts, the runtime {sum(self.left.values())}"
        return f"{counts} ({', '.join(names)}); {self.planned_bytes} bytes are planned for activations"


def delegation(program: ExecutorchProgramManager) -> Delegation:
    """Who runs the operators of a program.

    :param program: the finished program.
    """
    graph = program.exported_program().graph_module
    parts = delegated = 0
    left: Counter[str] = Counter()
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            lowered = getattr(graph, str(node.target), None)
            if isinstance(lowered, LoweredBackendModule):
                parts += 1
                delegated += sum(map(_computes, lowered.original_module.graph.nodes))
        elif _computes(node):
            left[_name(node)] += 1
    planned = sum(program.executorch_program.execution_plan[0].non_const_buffer_sizes)
    return Delegation(parts, delegated, dict(left.most_common()), planned)


def _name(node: fx.Node) -> str:
    return str(node.target).removesuffix(".out")


def _computes(node: fx.Node) -> bool:
    """Whether a node is a kernel: not a view, an allocation, a call of a delegate or the arithmetic of sizes."""
    return isinstance(node.target, OpOverload | EdgeOpOverload) and _SIZES not in str(node.target)
