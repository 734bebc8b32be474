// Who acts: an identity for the functions, one for the server of plain Envoys. None has a secret. Topics of Event Grid have their own.
param location string
param tags object
param token string
param deployXds bool

resource functions 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-functions-${token}'
  location: location
  tags: tags
}

resource xds 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (deployXds) {
  name: 'id-xds-${token}'
  location: location
  tags: tags
}

output functionsId string = functions.id
output functionsClientId string = functions.properties.clientId
output functionsPrincipalId string = functions.properties.principalId
output xdsId string = deployXds ? xds.id : ''
output xdsClientId string = deployXds ? xds!.properties.clientId : ''
output xdsPrincipalId string = deployXds ? xds!.properties.principalId : ''
