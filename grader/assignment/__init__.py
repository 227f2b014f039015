"""What is asked, and where it is answered: rubric, reference solution, notebook, the place of each answer."""
