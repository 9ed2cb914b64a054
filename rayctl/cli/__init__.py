"""What people type: ``rayctl …`` and ``kubectl raycluster …``."""
