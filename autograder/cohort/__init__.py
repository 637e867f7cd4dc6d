"""How is a whole class graded, in parallel, on one machine or many, and resumed when it was interrupted?"""
