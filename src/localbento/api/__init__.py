"""The facade: execute a guest, prove it, verify the receipt.

program = Path("guest.elf").read_bytes()
receipt = localbento.prove(program, b"input")
receipt.verify(localbento.image_id(program))
"""

from localbento.api.files import check_writable, write_file
from localbento.api.jobs import cancel_job, delete_job, list_jobs, show_job
from localbento.api.looking import (
    describe_chip,
    export_circuit,
    inspect_segment,
    list_chips,
    security,
    security_table,
    show_receipt,
)
from localbento.api.measuring import bench_execute, bench_kernels, bench_prove, bench_stark
from localbento.api.proving import default_home, prove, prove_program, resume_job, submit_job
from localbento.api.receipts import convert_receipt, receipt_from_json, receipt_to_json
from localbento.api.results import Cycles, Execution, Progress, ProgressEvent, ProofResult, Receipt, TaskProgress
from localbento.api.running import encode_input, execute, image_id
from localbento.api.verifying import verify
from localbento.api.views import JobView

__all__ = [
    "Cycles",
    "Execution",
    "JobView",
    "Progress",
    "ProgressEvent",
    "ProofResult",
    "Receipt",
    "TaskProgress",
    "bench_execute",
    "bench_kernels",
    "bench_prove",
    "bench_stark",
    "cancel_job",
    "check_writable",
    "convert_receipt",
    "default_home",
    "delete_job",
    "describe_chip",
    "encode_input",
    "execute",
    "export_circuit",
    "image_id",
    "inspect_segment",
    "list_chips",
    "list_jobs",
    "prove",
    "prove_program",
    "receipt_from_json",
    "receipt_to_json",
    "resume_job",
    "security",
    "security_table",
    "show_job",
    "show_receipt",
    "submit_job",
    "verify",
    "write_file",
]
