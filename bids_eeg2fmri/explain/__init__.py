"""What a synthesis rests on: relevance of electrodes, rhythms, moments and voxels."""
