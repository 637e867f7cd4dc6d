"""What does the student's process see of this package? This folder, and nothing else of it.

Grading shows this folder to the sandbox. There must be nothing in it that answers an exercise: no sound
implementation, no catalogue of mistakes, no oracle. Its modules import nothing from the rest of the package.
"""
