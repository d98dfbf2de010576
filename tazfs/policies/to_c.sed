# A string of C for each line of a preset.
s/[\\"]/\\&/g
s/.*/"&\\n"/
