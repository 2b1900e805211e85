"""The ten exercises. Students get what stands above the line, the grader uses what stands below."""
