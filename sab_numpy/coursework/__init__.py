"""Coursework: ten exercises in the order of the backward pass, their hints, and a grader that names the mistake.

    exercises/      one file an exercise: the student's part, a line, the teacher's part
    catalogue       finds them, makes the students' copies
    child, isolate  a student's function, run in a process of its own
    judge           compares arrays with the reference; nothing that a student's object says of itself is believed
    diagnose        puts a name to the difference
    grading, feedback, classroom   one folder, its feedback, a class of folders
"""

EXERCISE_SET = 2                     # goes up when an exercise changes: copies of another set are not graded
